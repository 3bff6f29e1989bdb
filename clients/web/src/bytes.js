// Small things that browsers lack: base64url, comparing and joining bytes.

const encoder = new TextEncoder();

/** utf8 encodes a text. */
export const utf8 = (text) => encoder.encode(text);

/** concat joins byte arrays. */
export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** toBase64url encodes without padding (RFC 4648 section 5). */
export function toBase64url(bytes) {
  let text = "";
  for (const b of bytes) text += String.fromCharCode(b);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** fromBase64url decodes strictly: one spelling for each value. length is the number of bytes that is wanted, if it is known. */
export function fromBase64url(text, length) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new TypeError("not base64url");
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(raw, (c) => c.charCodeAt(0));
  if ((length !== undefined && bytes.length !== length) || toBase64url(bytes) !== text) throw new TypeError("not base64url of the right length");
  return bytes;
}

/** toHex is for key ids. */
export const toHex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
