// One exchange with the gateway: bounded in time and size, without cookies, without redirects.

import { GatewayError, UnreachableError } from "./errors.js";

const TIMEOUT = 15_000; // milliseconds
const MOST_OWN = 64 << 10; // bytes of an answer of the gateway's own
const MOST_API = 16 << 20; // bytes of an answer of OpenIM's

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** text reads a body up to a bound. */
async function text(response, most) {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  let out = "";
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return out + decoder.decode();
    if ((size += value.length) > most) {
      await reader.cancel();
      throw new UnreachableError(`the answer is larger than ${most} bytes`);
    }
    out += decoder.decode(value, { stream: true });
  }
}

/** exchange gives status and JSON object of an answer. */
async function exchange(fetch, url, init, most) {
  let response, body;
  try {
    response = await fetch(url, { ...init, credentials: "omit", redirect: "error", referrerPolicy: "no-referrer", signal: AbortSignal.timeout(TIMEOUT) });
    body = await text(response, most);
  } catch (cause) {
    if (cause instanceof UnreachableError) throw cause;
    throw new UnreachableError("the gateway cannot be reached, or this page's origin is not among those that may call it", { cause });
  }
  let value;
  try {
    value = JSON.parse(body);
  } catch {
    // told below
  }
  if (!isObject(value)) throw new UnreachableError(`the gateway gave no usable answer (HTTP status ${response.status}): is this its address?`);
  return { status: response.status, value };
}

/** get fetches a plain JSON document. */
export async function get(fetch, url) {
  const { status, value } = await exchange(fetch, url, { method: "GET" }, MOST_OWN);
  if (status !== 200) throw new GatewayError(value.errCode ?? 500, status, value.errMsg);
  return value;
}

/** post calls a route and gives the data of OpenIM's envelope. */
export async function post(fetch, url, body, token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const most = new URL(url).pathname.startsWith("/im/") ? MOST_API : MOST_OWN;
  const { status, value } = await exchange(fetch, url, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store" }, most);
  if (status !== 200 || value.errCode !== 0) throw new GatewayError(value.errCode ?? 500, status, value.errMsg);
  return value.data ?? {};
}
