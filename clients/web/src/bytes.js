// Helpers that browsers lack: strict base64url, concatenation of byte arrays, hexadecimal.

const encoder = new TextEncoder();

/** utf8 encodes a string. */
export const utf8 = (text) => encoder.encode(text);

/** concat concatenates byte arrays. */
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

/** fromBase64url decodes strictly: each value has one encoding. With length, a value of another number of bytes is refused. */
export function fromBase64url(text, length) {
    if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) {
      throw new TypeError("decoding base64url: malformed");
    }
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(raw, (c) => c.charCodeAt(0));
    if ((length !== undefined && bytes.length !== length) || toBase64url(bytes) !== text) {
      throw new TypeError("decoding base64url: wrong length or padding bits");
    }
  return bytes;
}

/** toHex encodes in lower-case hexadecimal, as key ids are written. */
export const toHex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
