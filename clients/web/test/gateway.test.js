// What the client does with a gateway that answers badly, not at all, or is not the one that it should be.

import assert from "node:assert/strict";
import { test } from "node:test";

import { toBase64url } from "../src/bytes.js";
import { Gateway, GatewayError, memoryStore, Session, UnreachableError, UntrustedGatewayError } from "../src/index.js";
import { generateKey, publicBytes } from "../src/noise.js";

const url = "https://im.example.com";
const code = `v1.${toBase64url(new Uint8Array(16).fill(1))}.${toBase64url(new Uint8Array(32).fill(2))}`;
const newKey = async () => toBase64url(await publicBytes((await generateKey()).publicKey));
const pinned = await newKey();
const document = (...keys) => ({ version: 1, audience: url, keys: keys.map((key) => ({ id: "x", key })) });

/** answering gives a fetch that answers each path by what a table has, and notes what was asked. */
function answering(table) {
  const asked = [];
  const fetch = async (address, init) => {
    const { pathname } = new URL(address);
    asked.push({ pathname, init, body: init.body && JSON.parse(init.body) });
    const answer = typeof table[pathname] === "function" ? await table[pathname](asked.length) : table[pathname];
    if (answer === undefined) throw new TypeError("Failed to fetch");
    return answer instanceof Response ? answer : Response.json(answer);
  };
  return { fetch, asked };
}

const WELL_KNOWN = "/.well-known/openim-gateway";
const START = "/auth/v1/dh/start";
const refusal = { errCode: 1502, errMsg: "the login failed: start again" };

test("the address is an origin, and keys that are not pinned come over https alone", () => {
  for (const bad of ["https://im.example.com/im", "https://im.example.com/?a=b", "https://user:secret@im.example.com", "ftp://im.example.com"]) {
    assert.throws(() => new Gateway({ url: bad, pinnedKeys: [pinned] }), /origin/, bad);
  }
  assert.throws(() => new Gateway({ url: "http://im.example.com" }), /https/);
  assert.throws(() => new Gateway({ url, pinnedKeys: ["short"] }), /43 characters/);
  assert.equal(new Gateway({ url }).wsAddr, "wss://im.example.com/im/v1/ws");
  assert.equal(new Gateway({ url: "http://localhost:8082", pinnedKeys: [pinned] }).wsAddr, "ws://localhost:8082/im/v1/ws");
});

test("calls carry no cookie, follow no redirect, and end", async () => {
  const { fetch, asked } = answering({ [WELL_KNOWN]: document(pinned), [START]: refusal });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), GatewayError);
  assert.ok(asked.length >= 2);
  for (const { init } of asked) {
    assert.equal(init.credentials, "omit");
    assert.equal(init.redirect, "error");
    assert.ok(init.signal instanceof AbortSignal);
  }
});

test("a gateway without a pinned key is not spoken to", async () => {
  const { fetch, asked } = answering({ [WELL_KNOWN]: document(await newKey()) });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UntrustedGatewayError);
  assert.deepEqual(asked.map((a) => a.pathname), [WELL_KNOWN]);
});

test("a gateway of another name is not spoken to", async () => {
  const { fetch, asked } = answering({ [WELL_KNOWN]: { ...document(pinned), audience: "https://other.example.com" } });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UntrustedGatewayError);
  assert.equal(asked.length, 1);
});

test("documents that are none are refused in a sentence", async () => {
  const bad = [{ ...document(pinned), version: 2 }, document(), document(...Array(5).fill(pinned)), document("short"), { version: 1, audience: url }, { version: 1, audience: url, keys: [null] }];
  for (const value of bad) {
    const { fetch } = answering({ [WELL_KNOWN]: value });
    await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), /not understood/, JSON.stringify(value));
  }
});

test("answers that are none are told as such", async () => {
  const answers = { "an empty page": "", "a page of a proxy": "<html>", null: "null", "a list": "[]", "half an object": '{"errCode":' };
  for (const [name, text] of Object.entries(answers)) {
    const { fetch } = answering({ [WELL_KNOWN]: () => new Response(text, { status: 502 }) });
    await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UnreachableError, name);
  }
  const { fetch } = answering({});
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UnreachableError);
});

test("an endless answer is not read to its end", async () => {
  let sent = 0;
  const endless = new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array((sent += 4096) && 4096)) });
  const { fetch } = answering({ [WELL_KNOWN]: () => new Response(endless) });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), /larger/);
  assert.ok(sent < 1 << 20, `${sent} bytes were read`);
});

test("a key that went out of service is looked for again, once", async () => {
  const next = await newKey();
  let documents = 0;
  const { fetch, asked } = answering({ [WELL_KNOWN]: () => document(documents++ ? next : pinned), [START]: refusal });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned, next], store: memoryStore(), fetch }).enrol(code), { code: 1502 });
  assert.deepEqual(asked.map((a) => a.pathname), [WELL_KNOWN, START, WELL_KNOWN, START]);
  assert.notEqual(asked[1].body.keyID, asked[3].body.keyID);
});

test("a refusal under a key that is still in service stands", async () => {
  const { fetch, asked } = answering({ [WELL_KNOWN]: document(pinned), [START]: refusal });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), { code: 1502 });
  assert.deepEqual(asked.map((a) => a.pathname), [WELL_KNOWN, START, WELL_KNOWN]);
});

test("whoever does not hold the pinned key is found out before the client has shown who he is", async () => {
  const forged = { errCode: 0, data: { handshakeID: "x", message: toBase64url(crypto.getRandomValues(new Uint8Array(176))) } };
  const { fetch, asked } = answering({ [WELL_KNOWN]: document(pinned), [START]: forged });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UntrustedGatewayError);
  assert.equal(asked.length, 2);
});

test("a name that is too long is no question of trust, and sends nothing", async () => {
  const { fetch, asked } = answering({ [WELL_KNOWN]: document(pinned) });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code, { deviceName: "ü".repeat(65) }), RangeError);
  assert.equal(asked.length, 0);
});

test("the key is kept before the gateway hears of it, and the same code uses it again", async () => {
  const kept = [];
  const memory = memoryStore();
  const store = { ...memory, save: (name, device) => (kept.push(device), memory.save(name, device)) };
  const { fetch } = answering({ [WELL_KNOWN]: document(pinned) });
  const gateway = new Gateway({ url, pinnedKeys: [pinned], store, fetch });
  await assert.rejects(gateway.enrol(code), UnreachableError);
  await assert.rejects(gateway.enrol(code), UnreachableError);
  assert.equal(kept.length, 2);
  assert.equal(kept[0].key, kept[1].key);
  assert.equal(await gateway.enrolled(), undefined);
});

test("a key that is made cannot be read", async () => {
  const { privateKey } = await generateKey();
  for (const format of ["raw", "pkcs8", "jwk"]) await assert.rejects(crypto.subtle.exportKey(format, privateKey), format);
});

test("without a device there is nothing to log in with", async () => {
  const { fetch, asked } = answering({});
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).login(), /enrol first/);
  assert.equal(asked.length, 0);
});

test("a session does not show its token", () => {
  const session = new Session("wss://im.example.com/im/v1/ws", () => {}, { token: "secret", userID: "alice", expires: 1 });
  assert.equal(session.token, "secret");
  assert.ok(!JSON.stringify(session).includes("secret"));
  assert.ok(!Object.values({ ...session }).includes("secret"));
});

test("an API path stays one", async () => {
  const asked = [];
  const session = new Session("", async (path) => asked.push(path), { token: "t", userID: "alice", expires: 1 });
  await session.api("/user/get_users_info");
  for (const bad of ["user", "/../auth/v1/codes", "/a?b", "//evil.example.com", "/a#b", ""]) await assert.rejects(session.api(bad), TypeError, bad);
  assert.deepEqual(asked, ["/im/v1/user/get_users_info"]);
});
