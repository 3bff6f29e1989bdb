// Logs in by noise-c, written from docs/login.md alone. In: {url, serverKey, privateKey, platformID}. Out: the gateway's reply.

import { createHash } from "node:crypto";
import { noiseC } from "./load-noise-c.js";

const { url, serverKey, privateKey, platformID } = JSON.parse(await new Response(process.stdin).text());
const noise = await noiseC();
const protocol = "Noise_XK_25519_AESGCM_SHA256";
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64url"));
const base64url = (raw) => Buffer.from(raw).toString("base64url");
const keyID = createHash("sha256").update(bytes(serverKey)).digest("hex").slice(0, 16);

const prologue = Buffer.concat(["openim-gateway/1", url, keyID, "login", protocol].map((field) => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(field));
  return Buffer.concat([length, Buffer.from(field)]);
}));

async function post(path, body) {
  const response = await fetch(url + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const envelope = await response.json();
  if (envelope.errCode !== 0) throw new Error(`${path}: errCode ${envelope.errCode} ${envelope.errMsg}`);
  return envelope.data;
}

const hs = new noise.HandshakeState(protocol, noise.constants.NOISE_ROLE_INITIATOR);
hs.Initialize(new Uint8Array(prologue), bytes(privateKey), bytes(serverKey));
const started = await post("/auth/v1/dh/start", { protocol, keyID, purpose: "login", message: base64url(hs.WriteMessage(new Uint8Array(0))) });
hs.ReadMessage(bytes(started.message), true);
const hello = Buffer.alloc(512);
hello.writeUInt16BE(hello.write(JSON.stringify({ platformID, deviceName: "noise-c", clientVersion: "0.4.0", clientTime: Date.now() }), 2));
const { message } = await post("/auth/v1/dh/finish", { handshakeID: started.handshakeID, message: base64url(hs.WriteMessage(new Uint8Array(hello))) });
const [, receive] = hs.Split();
const reply = Buffer.from(receive.DecryptWithAd(new Uint8Array(0), bytes(message)));
process.stdout.write(reply.subarray(2, 2 + reply.readUInt16BE()));
