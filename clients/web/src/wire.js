// One request to the gateway: with a timeout and a size limit, without cookies, without redirects.

import { GatewayError, UnreachableError } from "./errors.js";

const TIMEOUT = 15_000; // milliseconds
const MAX_OWN = 64 << 10; // bytes of a reply of the gateway's own routes
const MAX_API = 16 << 20; // bytes of a reply of OpenIM's routes

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** text reads a body of at most max bytes. */
async function text(response, max) {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  let out = "";
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return out + decoder.decode();
    if ((size += value.length) > max) {
      await reader.cancel();
      throw new UnreachableError(`reading the reply: larger than ${max} bytes`);
    }
    out += decoder.decode(value, { stream: true });
  }
}

/** exchange sends a request and returns status and JSON object of the reply. */
async function exchange(fetch, url, init, max) {
  let response, body;
  try {
    response = await fetch(url, {
      ...init, credentials: "omit", redirect: "error", referrerPolicy: "no-referrer", signal: AbortSignal.timeout(TIMEOUT),
    });
    body = await text(response, max);
  } catch (cause) {
    if (cause instanceof UnreachableError) throw cause;
    throw new UnreachableError("calling the gateway: no reply: check the network, and the page's origin in the stack's list", { cause });
  }
  let value;
  try {
    value = JSON.parse(body);
  } catch {
    // the next statement reports it
  }
  if (!isObject(value)) throw new UnreachableError(`calling the gateway: no JSON object in the reply (HTTP ${response.status}): check url`);
  return { status: response.status, value };
}

/** get returns a JSON document without envelope. */
export async function get(fetch, url) {
  const { status, value } = await exchange(fetch, url, { method: "GET" }, MAX_OWN);
  if (status !== 200) throw new GatewayError(value.errCode ?? 500, status, value.errMsg);
  return value;
}

/** post calls a route and returns the data of OpenIM's envelope. */
export async function post(fetch, url, body, token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const max = new URL(url).pathname.startsWith("/im/") ? MAX_API : MAX_OWN;
  const { status, value } = await exchange(fetch, url, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store" }, max);
  if (status !== 200 || value.errCode !== 0) throw new GatewayError(value.errCode ?? 500, status, value.errMsg);
  return value.data ?? {};
}
