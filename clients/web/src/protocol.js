// The parts of the gateway's login beyond Noise: prologue, padded payloads, enrolment codes. docs/login.md specifies them;
// wrapper/handshake is the implementation in Go.

import { concat, fromBase64url, toHex, utf8 } from "./bytes.js";
import { KEY_BYTES } from "./noise.js";

const VERSION = "openim-gateway/1";
export const XK = "Noise_XK_25519_AESGCM_SHA256";
export const XKPSK3 = "Noise_XKpsk3_25519_AESGCM_SHA256";

/** Sizes of the payloads in bytes. */
export const GREETING_BYTES = 128;
export const HELLO_BYTES = 512;
export const REPLY_BYTES = 1024;

/** prologue binds the handshake to these fields: each is preceded by its length, two bytes big endian. */
export function prologue(audience, keyID, purpose, protocol) {
  return concat(
    ...[VERSION, audience, keyID, purpose, protocol].flatMap((field) => {
      const bytes = utf8(field);
      return [Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes];
    }),
  );
}

/** keyID returns the id of a server key: the first 16 hexadecimal digits of its SHA-256. */
export async function keyID(publicKey) {
  return toHex(new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", publicKey)).subarray(0, 8));
}

/** pad encodes a value as the length of its JSON (two bytes big endian), the JSON, and zeroes up to size. */
export function pad(value, size) {
  const body = utf8(JSON.stringify(value));
  if (body.length > size - 2) throw new RangeError("encoding the payload: larger than its fixed size: shorten the device's name");
  return concat(Uint8Array.of(body.length >> 8, body.length & 255), body, new Uint8Array(size - 2 - body.length));
}

/** unpad decodes what pad encoded. It refuses padding other than zeroes. */
export function unpad(padded, size) {
  const length = (padded[0] << 8) | padded[1];
  if (padded.length !== size || length > size - 2 || padded.subarray(2 + length).some((b) => b !== 0)) {
    throw new Error("decoding the payload: wrong size or padding");
  }
  const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(padded.subarray(2, 2 + length)));
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("decoding the payload: not a JSON object");
  return value;
}

const malformedCode = () => new TypeError('parsing the enrolment code: malformed: it has the form "v1.<22 characters>.<43 characters>"');

/** parseCode parses "v1.<id>.<secret>" and derives the enrolment's pre-shared key. */
export async function parseCode(text) {
  const parts = String(text).trim().split(".");
  if (parts.length !== 3 || parts[0] !== "v1") throw malformedCode();
  let id, secret;
  try {
    id = fromBase64url(parts[1], 16);
    secret = fromBase64url(parts[2], 32);
  } catch {
    throw malformedCode();
  }
  const material = await globalThis.crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const psk = await globalThis.crypto.subtle.deriveBits(
    { name: "HKDF", hash: "SHA-256", salt: id, info: utf8("openim-gateway enrolment") }, material, 8 * KEY_BYTES);
  return { id: parts[1], psk: new Uint8Array(psk) };
}
