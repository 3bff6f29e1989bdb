// The handshake against public test vectors (wrapper/handshake/testdata names their origin).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { concat, fromBase64url, toBase64url } from "../src/bytes.js";
import { Initiator } from "../src/noise.js";
import { HELLO_BYTES, pad, parseCode, prologue, unpad } from "../src/protocol.js";

const testdata = new URL("../../../wrapper/handshake/testdata/", import.meta.url);
const load = (name) => JSON.parse(readFileSync(new URL(name, testdata), "utf8"));
const hex = (text) => Uint8Array.from(Buffer.from(text, "hex"));

/** keyPair imports a raw private key. WebCrypto imports PKCS #8 only. */
async function keyPair(privateHex, publicHex) {
  const pkcs8 = concat(hex("302e020100300506032b656e04220420"), hex(privateHex));
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, { name: "X25519" }, true, ["deriveBits"]);
  const { x } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("raw", publicHex ? hex(publicHex) : fromBase64url(x), { name: "X25519" }, true, []);
  return { privateKey, publicKey };
}

for (const v of load("cacophony.json").vectors.filter((v) => /_AESGCM_/.test(v.protocol_name))) {
  test(`${v.protocol_name}: every message byte for byte`, async () => {
    const psk = v.init_psks?.[0] ? hex(v.init_psks[0]) : undefined;
    const key = await keyPair(v.init_static);
    const initiator = await Initiator.begin(v.protocol_name, hex(v.init_prologue), hex(v.init_remote_static), key, psk);
    const [m1, m2, m3, m4] = v.messages;
    assert.deepEqual(Buffer.from(await initiator.start(hex(m1.payload), await keyPair(v.init_ephemeral))).toString("hex"), m1.ciphertext);
    const { payload, message, hash } = await initiator.finish(hex(m2.ciphertext), hex(m3.payload));
    assert.equal(Buffer.from(payload).toString("hex"), m2.payload);
    assert.equal(Buffer.from(message).toString("hex"), m3.ciphertext);
    assert.equal(Buffer.from(hash).toString("hex"), v.handshake_hash);
    assert.equal(Buffer.from(await initiator.open(hex(m4.ciphertext))).toString("hex"), m4.payload);
  });
}

test("public keys of low order are refused, all of Wycheproof's", async () => {
  for (const c of load("wycheproof_x25519_zero.json").cases) {
    await assert.rejects(async () => {
      const initiator = await Initiator.begin("Noise_XK_25519_AESGCM_SHA256", new Uint8Array(0), hex(c.public), await keyPair(c.private));
      await initiator.start();
    }, `case ${c.tcId}`);
  }
});

test("each byte of the second message is authenticated", async () => {
  const v = load("cacophony.json").vectors.find((v) => v.protocol_name === "Noise_XK_25519_AESGCM_SHA256");
  for (let i = 0; i < v.messages[1].ciphertext.length / 2; i++) {
    const initiator = await Initiator.begin(v.protocol_name, hex(v.init_prologue), hex(v.init_remote_static), await keyPair(v.init_static));
    await initiator.start(hex(v.messages[0].payload), await keyPair(v.init_ephemeral));
    const spoiled = hex(v.messages[1].ciphertext);
    spoiled[i] ^= 1;
    await assert.rejects(initiator.finish(spoiled, new Uint8Array(0)), `byte ${i}`);
  }
});

test("start, finish and open are refused out of order or twice", async () => {
  const v = load("cacophony.json").vectors.find((v) => v.protocol_name === "Noise_XK_25519_AESGCM_SHA256");
  const initiator = await Initiator.begin(v.protocol_name, hex(v.init_prologue), hex(v.init_remote_static), await keyPair(v.init_static));
  await assert.rejects(initiator.open(new Uint8Array(32)));
  await assert.rejects(initiator.start());
});

test("a protocol and a pre-shared key belong together", async () => {
  const key = await keyPair("11".repeat(32));
  await assert.rejects(Initiator.begin("Noise_XK_25519_AESGCM_SHA256", new Uint8Array(0), new Uint8Array(32), key, new Uint8Array(32)));
  await assert.rejects(Initiator.begin("Noise_XKpsk3_25519_AESGCM_SHA256", new Uint8Array(0), new Uint8Array(32), key));
});

test("the prologue is unambiguous", () => {
  assert.equal(Buffer.from(prologue("a", "b", "c", "d")).toString("latin1"), "\0\x10openim-gateway/1\0\x01a\0\x01b\0\x01c\0\x01d");
  assert.notDeepEqual(prologue("ab", "c", "d", "e"), prologue("a", "bc", "d", "e"));
});

test("payloads have one size, and one padding", () => {
  const padded = pad({ deviceName: "phone" }, HELLO_BYTES);
  assert.equal(padded.length, HELLO_BYTES);
  assert.deepEqual(unpad(padded, HELLO_BYTES), { deviceName: "phone" });
  assert.throws(() => unpad(padded.subarray(1), HELLO_BYTES));
  const spoiled = padded.slice();
  spoiled[HELLO_BYTES - 1] = 1;
  assert.throws(() => unpad(spoiled, HELLO_BYTES));
  assert.throws(() => pad({ deviceName: "x".repeat(HELLO_BYTES) }, HELLO_BYTES), /shorten/);
});

test("an enrolment code has one form", async () => {
  const id = toBase64url(new Uint8Array(16).fill(1));
  const secret = toBase64url(new Uint8Array(32).fill(2));
  const code = await parseCode(` v1.${id}.${secret}\n`);
  assert.equal(code.id, id);
  assert.equal(code.psk.length, 32);
  for (const bad of ["", "v1", `v2.${id}.${secret}`, `v1.${id}`, `v1.${id}.${secret}A`, `v1.${id}=.${secret}`, `v1.${secret}.${id}`]) {
    await assert.rejects(parseCode(bad), /malformed/, bad);
  }
});
