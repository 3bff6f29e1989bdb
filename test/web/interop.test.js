// The client against a gateway whose Noise is noise-c, byte by byte over the calls of HTTP.

import assert from "node:assert/strict";
import { test } from "node:test";

import { toBase64url } from "../../clients/web/src/bytes.js";
import { Gateway, memoryStore, UntrustedGatewayError } from "../../clients/web/src/index.js";
import { generateKey, Initiator, publicBytes } from "../../clients/web/src/noise.js";
import { GREETING_BYTES, HELLO_BYTES, keyID, pad, prologue, REPLY_BYTES, unpad, XK } from "../../clients/web/src/protocol.js";
import { noiseC } from "./programs/load-noise-c.js";

const noise = await noiseC();
const url = "https://im.example.com";
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64url"));

/** pair makes raw keys. */
async function pair() {
  const { privateKey } = await crypto.subtle.generateKey({ name: "X25519" }, true, ["deriveBits"]);
  const { d, x } = await crypto.subtle.exportKey("jwk", privateKey);
  return { secret: bytes(d), open: bytes(x) };
}

function responder(protocol, bound, { secret }) {
  const hs = new noise.HandshakeState(protocol, noise.constants.NOISE_ROLE_RESPONDER);
  hs.Initialize(bound, secret);
  return hs;
}

/** foreign is a gateway as a fetch. */
function foreign(server, { audience = url, holds = server, serverKeys = [toBase64url(server.open)] } = {}) {
  const seen = [];
  let hs;
  const calls = {
    "/.well-known/openim-gateway": async () => ({ version: 1, audience, keys: [{ id: "x", key: toBase64url(server.open) }] }),
    "/auth/v1/dh/start": async ({ protocol, purpose, message }) => {
      hs = responder(protocol, prologue(audience, await keyID(server.open), purpose, protocol), holds);
      hs.ReadMessage(bytes(message), true);
      return { errCode: 0, data: { handshakeID: toBase64url(new Uint8Array(16)), message: toBase64url(hs.WriteMessage(pad({ serverTime: 1 }, GREETING_BYTES))) } };
    },
    "/auth/v1/dh/finish": async ({ message }) => {
      const hello = unpad(hs.ReadMessage(bytes(message), true), HELLO_BYTES);
      seen.push({ hello, key: toBase64url(hs.GetRemotePublicKey()) });
      const [send] = hs.Split();
      const reply = { token: "t", userID: "alice", deviceID: "d", platformID: hello.platformID, expires: 1, serverKeys };
      return { errCode: 0, data: { message: toBase64url(send.EncryptWithAd(new Uint8Array(0), pad(reply, REPLY_BYTES))) } };
    },
  };
  const fetch = async (address, { body }) => {
    try {
      return Response.json(await calls[new URL(address).pathname](body && JSON.parse(body)));
    } catch {
      return Response.json({ errCode: 1502, errMsg: "the login failed: start again" });
    }
  };
  return { fetch, seen };
}

async function device() {
  const store = memoryStore();
  const key = await generateKey();
  await store.save(`${url} default`, { key, platformID: 5, userID: "alice", deviceID: "d" });
  return { store, publicKey: toBase64url(await publicBytes(key.publicKey)) };
}

test("a login by XK, to the reply", async () => {
  const server = await pair();
  const { store, publicKey } = await device();
  const { fetch, seen } = foreign(server);
  const session = await new Gateway({ url, pinnedKeys: [toBase64url(server.open)], store, fetch }).login({ deviceName: "Ünïcode ✓" });
  assert.equal(session.token, "t");
  assert.equal(seen[0].key, publicKey);
  assert.equal(seen[0].hello.deviceName, "Ünïcode ✓");
});

test("successors of a pinned key are learnt from a gateway that has proved it, and nothing else is", async () => {
  const server = await pair();
  const own = toBase64url(server.open);
  const next = toBase64url((await pair()).open);
  const cases = [
    [[own, next], [own, next]],
    [[], [own]],
    [[next], [own]],
    [[own, "short"], [own]],
    [[own, next, next, next, next], [own]],
    ["all", [own]],
  ];
  for (const [serverKeys, pinned] of cases) {
    const { store } = await device();
    const gateway = new Gateway({ url, pinnedKeys: [own], store, fetch: foreign(server, { serverKeys }).fetch });
    await gateway.login();
    assert.deepEqual(gateway.pinnedKeys, pinned, JSON.stringify(serverKeys));
    assert.deepEqual((await store.load(`${url} default`)).serverKeys, pinned);
  }
});

test("both sides come to one handshake hash", async () => {
  const server = await pair();
  const key = await generateKey();
  const bound = new TextEncoder().encode("a prologue");
  const hs = responder(XK, bound, server);
  const initiator = await Initiator.begin(XK, bound, server.open, key);
  hs.ReadMessage(await initiator.start(), true);
  const { message, hash } = await initiator.finish(hs.WriteMessage(new Uint8Array(0)), new Uint8Array(0));
  hs.ReadMessage(message, true);
  assert.deepEqual(Buffer.from(hs.GetHandshakeHash()), Buffer.from(hash));
});

test("a gateway that publishes a key which it does not hold is found out", async () => {
  const server = await pair();
  const { store } = await device();
  const { fetch, seen } = foreign(server, { holds: await pair() });
  await assert.rejects(new Gateway({ url, pinnedKeys: [toBase64url(server.open)], store, fetch }).login());
  assert.deepEqual(seen, []);
});

test("another prologue, no login", async () => {
  const server = await pair();
  const key = await generateKey();
  const initiator = await Initiator.begin(XK, new TextEncoder().encode("one"), server.open, key);
  const hs = responder(XK, new TextEncoder().encode("other"), server);
  const m1 = await initiator.start();
  assert.throws(() => hs.ReadMessage(m1, true));
});

test("each bit of what the gateway replies counts", async () => {
  const server = await pair();
  const { store } = await device();
  for (const path of ["/auth/v1/dh/start", "/auth/v1/dh/finish"]) {
    const { fetch } = foreign(server);
    const spoiling = async (address, init) => {
      const response = await fetch(address, init);
      if (new URL(address).pathname !== path) return response;
      const envelope = await response.json();
      const message = bytes(envelope.data.message);
      message[message.length - 1] ^= 1;
      return Response.json({ ...envelope, data: { ...envelope.data, message: toBase64url(message) } });
    };
    await assert.rejects(new Gateway({ url, pinnedKeys: [toBase64url(server.open)], store, fetch: spoiling }).login(), UntrustedGatewayError, path);
  }
});
