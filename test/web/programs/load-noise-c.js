import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** noiseC gives the library. It would fetch its WebAssembly by a path that is no URL, and complain. */
export function noiseC() {
  const wasmBinary = readFileSync(require.resolve("noise-c.wasm/src/noise-c.wasm"));
  return new Promise((resolve) => require("noise-c.wasm")({ wasmBinary }, resolve));
}
