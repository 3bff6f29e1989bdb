// The client's reaction to gateways that reply wrongly, do not reply, or do not hold the pinned key.

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

/** answering returns a fetch that replies to each path from a table, and records the requests. */
function answering(table) {
  const requests = [];
  const fetch = async (address, init) => {
    const { pathname } = new URL(address);
    requests.push({ pathname, init, body: init.body && JSON.parse(init.body) });
    const answer = typeof table[pathname] === "function" ? await table[pathname](requests.length) : table[pathname];
    if (answer === undefined) throw new TypeError("Failed to fetch");
    return answer instanceof Response ? answer : Response.json(answer);
  };
  return { fetch, requests };
}

const WELL_KNOWN = "/.well-known/openim-gateway";
const START = "/auth/v1/dh/start";
const refusal = { errCode: 1502, errMsg: "the login failed: start again" };

test("the address is an origin, and keys that are not pinned come over https only", () => {
  for (const bad of [
    "https://im.example.com/im", "https://im.example.com/?a=b", "https://user:secret@im.example.com", "ftp://im.example.com",
  ]) {
    assert.throws(() => new Gateway({ url: bad, pinnedKeys: [pinned] }), /origin/, bad);
  }
  assert.throws(() => new Gateway({ url: "http://im.example.com" }), /https/);
  assert.throws(() => new Gateway({ url, pinnedKeys: ["short"] }), /43 characters/);
  assert.equal(new Gateway({ url }).wsAddr, "wss://im.example.com/im/v1/ws");
  assert.equal(new Gateway({ url: "http://localhost:8082", pinnedKeys: [pinned] }).wsAddr, "ws://localhost:8082/im/v1/ws");
});

test("calls carry no cookie, follow no redirect, and end", async () => {
  const { fetch, requests } = answering({ [WELL_KNOWN]: document(pinned), [START]: refusal });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), GatewayError);
  assert.ok(requests.length >= 2);
  for (const { init } of requests) {
    assert.equal(init.credentials, "omit");
    assert.equal(init.redirect, "error");
    assert.ok(init.signal instanceof AbortSignal);
  }
});

test("a gateway without a pinned key receives no login", async () => {
  const { fetch, requests } = answering({ [WELL_KNOWN]: document(await newKey()) });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UntrustedGatewayError);
  assert.deepEqual(requests.map((a) => a.pathname), [WELL_KNOWN]);
});

test("a gateway of another audience receives no login", async () => {
  const { fetch, requests } = answering({ [WELL_KNOWN]: { ...document(pinned), audience: "https://other.example.com" } });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UntrustedGatewayError);
  assert.equal(requests.length, 1);
});

test("malformed key documents are refused with an explanation", async () => {
  const bad = [
    { ...document(pinned), version: 2 }, document(), document(...Array(5).fill(pinned)), document("short"),
    { version: 1, audience: url }, { version: 1, audience: url, keys: [null] },
  ];
  for (const value of bad) {
    const { fetch } = answering({ [WELL_KNOWN]: value });
    const gateway = new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch });
    await assert.rejects(gateway.enrol(code), /unknown format/, JSON.stringify(value));
  }
});

test("replies that are not JSON objects make an UnreachableError", async () => {
  const answers = { "an empty page": "", "a page of a proxy": "<html>", null: "null", "a list": "[]", "half an object": '{"errCode":' };
  for (const [name, text] of Object.entries(answers)) {
    const { fetch } = answering({ [WELL_KNOWN]: () => new Response(text, { status: 502 }) });
    await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UnreachableError, name);
  }
  const { fetch } = answering({});
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UnreachableError);
});

test("an endless reply is not read to its end", async () => {
  let sent = 0;
  const endless = new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array((sent += 4096) && 4096)) });
  const { fetch } = answering({ [WELL_KNOWN]: () => new Response(endless) });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), /larger/);
  assert.ok(sent < 1 << 20, `${sent} bytes were read`);
});

test("after a refusal the key document is fetched again, once", async () => {
  const next = await newKey();
  let documents = 0;
  const { fetch, requests } = answering({ [WELL_KNOWN]: () => document(documents++ ? next : pinned), [START]: refusal });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned, next], store: memoryStore(), fetch }).enrol(code), { code: 1502 });
  assert.deepEqual(requests.map((a) => a.pathname), [WELL_KNOWN, START, WELL_KNOWN, START]);
  assert.notEqual(requests[1].body.keyID, requests[3].body.keyID);
});

test("a refusal is not retried when the document offers no other key", async () => {
  const { fetch, requests } = answering({ [WELL_KNOWN]: document(pinned), [START]: refusal });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), { code: 1502 });
  assert.deepEqual(requests.map((a) => a.pathname), [WELL_KNOWN, START, WELL_KNOWN]);
});

test("a server without the pinned key is refused before the client sends its own key", async () => {
  const forged = { errCode: 0, data: { handshakeID: "x", message: toBase64url(crypto.getRandomValues(new Uint8Array(176))) } };
  const { fetch, requests } = answering({ [WELL_KNOWN]: document(pinned), [START]: forged });
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).enrol(code), UntrustedGatewayError);
  assert.equal(requests.length, 2);
});

test("a device name that is too long is a RangeError, and sends nothing", async () => {
  const { fetch, requests } = answering({ [WELL_KNOWN]: document(pinned) });
  const gateway = new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch });
  await assert.rejects(gateway.enrol(code, { deviceName: "ü".repeat(65) }), RangeError);
  assert.equal(requests.length, 0);
});

test("the key is stored before the first request, and a second enrolment with the same code uses it again", async () => {
  const saved = [];
  const memory = memoryStore();
  const store = { ...memory, save: (name, device) => (saved.push(device), memory.save(name, device)) };
  const { fetch } = answering({ [WELL_KNOWN]: document(pinned) });
  const gateway = new Gateway({ url, pinnedKeys: [pinned], store, fetch });
  await assert.rejects(gateway.enrol(code), UnreachableError);
  await assert.rejects(gateway.enrol(code), UnreachableError);
  assert.equal(saved.length, 2);
  assert.equal(saved[0].key, saved[1].key);
  assert.equal(await gateway.enrolled(), undefined);
});

test("the private key of generateKey cannot be exported", async () => {
  const { privateKey } = await generateKey();
  for (const format of ["raw", "pkcs8", "jwk"]) await assert.rejects(crypto.subtle.exportKey(format, privateKey), format);
});

test("login without an enrolled device is refused locally", async () => {
  const { fetch, requests } = answering({});
  await assert.rejects(new Gateway({ url, pinnedKeys: [pinned], store: memoryStore(), fetch }).login(), /enrol first/);
  assert.equal(requests.length, 0);
});

test("a session does not show its token", () => {
  const session = new Session("wss://im.example.com/im/v1/ws", () => {}, { token: "secret", userID: "alice", expires: 1 });
  assert.equal(session.token, "secret");
  assert.ok(!JSON.stringify(session).includes("secret"));
  assert.ok(!Object.values({ ...session }).includes("secret"));
});

test("api accepts paths of OpenIM only", async () => {
  const requests = [];
  const session = new Session("", async (path) => requests.push(path), { token: "t", userID: "alice", expires: 1 });
  await session.api("/user/get_users_info");
  for (const bad of ["user", "/../auth/v1/codes", "/a?b", "//evil.example.com", "/a#b", ""]) {
    await assert.rejects(session.api(bad), TypeError, bad);
  }
  assert.deepEqual(requests, ["/im/v1/user/get_users_info"]);
});
