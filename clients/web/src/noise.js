// The initiator of Noise_XK and Noise_XKpsk3 (The Noise Protocol Framework, revision 34) with 25519, AES-GCM and SHA-256, over
// WebCrypto alone. An Initiator is for one handshake: call start, finish and open, each once.

import { concat, utf8 } from "./bytes.js";

export const KEY_BYTES = 32;
const TAG_BYTES = 16;
const EMPTY = new Uint8Array(0);
const subtle = () => globalThis.crypto.subtle;

const sha256 = async (data) => new Uint8Array(await subtle().digest("SHA-256", data));

async function hmac(key, data) {
  const k = await subtle().importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle().sign("HMAC", k, data));
}

/** hkdf returns count outputs of 32 bytes (section 4.3). */
async function hkdf(chainingKey, material, count) {
  const temp = await hmac(chainingKey, material);
  const out = [];
  let last = EMPTY;
  for (let i = 1; i <= count; i++) {
    last = await hmac(temp, concat(last, Uint8Array.of(i)));
    out.push(last);
  }
  return out;
}

/** dh returns the shared secret. WebCrypto throws for a public key of low order. */
async function dh(privateKey, publicBytes) {
  const peer = await subtle().importKey("raw", publicBytes, { name: "X25519" }, false, []);
  return new Uint8Array(await subtle().deriveBits({ name: "X25519", public: peer }, privateKey, 256));
}

/** publicBytes returns the 32 bytes of a public key. */
export const publicBytes = async (key) => new Uint8Array(await subtle().exportKey("raw", key));

/** generateKey returns a key pair whose private half no script can export. */
export const generateKey = () => subtle().generateKey({ name: "X25519" }, false, ["deriveBits"]);

/** Cipher is the CipherState of the specification: a key and the number of messages encrypted with it. */
class Cipher {
  #key;
  #n = 0n;

  constructor(key) {
    this.#key = key;
  }

  async #crypt(direction, ad, data) {
    if (!this.#key) throw new Error("running the Noise handshake: no key yet");
    const nonce = new Uint8Array(12); // section 12.4: 32 zero bits, then the counter, big endian
    new DataView(nonce.buffer).setBigUint64(4, this.#n++);
    const key = await subtle().importKey("raw", this.#key, { name: "AES-GCM" }, false, [direction]);
    const parameters = { name: "AES-GCM", iv: nonce, additionalData: ad, tagLength: 8 * TAG_BYTES };
    return new Uint8Array(await subtle()[direction](parameters, key, data));
  }

  encrypt(ad, data) {
    return this.#crypt("encrypt", ad, data);
  }

  decrypt(ad, data) {
    return this.#crypt("decrypt", ad, data);
  }
}

/** Symmetric is the SymmetricState of the specification. */
class Symmetric {
  static async begin(protocol) {
    const s = new Symmetric();
    const name = utf8(protocol);
    s.h = name.length <= KEY_BYTES ? concat(name, new Uint8Array(KEY_BYTES - name.length)) : await sha256(name);
    s.ck = s.h;
    s.cipher = new Cipher();
    return s;
  }

  async mixHash(data) {
    this.h = await sha256(concat(this.h, data));
  }

  async mixKey(material) {
    const [ck, key] = await hkdf(this.ck, material, 2);
    this.ck = ck;
    this.cipher = new Cipher(key);
  }

  async mixKeyAndHash(material) {
    const [ck, hash, key] = await hkdf(this.ck, material, 3);
    this.ck = ck;
    await this.mixHash(hash);
    this.cipher = new Cipher(key);
  }

  async encryptAndHash(data) {
    const ciphertext = await this.cipher.encrypt(this.h, data);
    await this.mixHash(ciphertext);
    return ciphertext;
  }

  async decryptAndHash(ciphertext) {
    const data = await this.cipher.decrypt(this.h, ciphertext);
    await this.mixHash(ciphertext);
    return data;
  }
}

/** Initiator is the initiator's side of one handshake. */
export class Initiator {
  #step = 0;
  #s;
  #server;
  #static;
  #psk;
  #ephemeral;
  #reply;

  constructor(s, server, staticKey, psk) {
    this.#s = s;
    this.#server = server;
    this.#static = staticKey;
    this.#psk = psk;
  }

  /** begin prepares a handshake with the gateway's static public key server and our key pair staticKey. psk selects XKpsk3. */
  static async begin(protocol, prologue, server, staticKey, psk) {
    if (/psk3/.test(protocol) !== (psk?.length === KEY_BYTES)) {
      throw new TypeError("starting the Noise handshake: XKpsk3 needs a pre-shared key of 32 bytes, XK none");
    }
    const s = await Symmetric.begin(protocol);
    await s.mixHash(prologue);
    await s.mixHash(server);
    return new Initiator(s, server, staticKey, psk);
  }

  #next(step) {
    if (this.#step++ !== step) throw new Error("running the Noise handshake: call start, finish and open in this order, each once");
  }

  /** start returns the message "-> e, es". Only tests pass ephemeral. */
  async start(payload = EMPTY, ephemeral) {
    this.#next(0);
    this.#ephemeral = ephemeral ?? (await generateKey());
    const e = await publicBytes(this.#ephemeral.publicKey);
    await this.#s.mixHash(e);
    if (this.#psk) await this.#s.mixKey(e);
    await this.#s.mixKey(await dh(this.#ephemeral.privateKey, this.#server));
    return concat(e, await this.#s.encryptAndHash(payload));
  }

  /** finish reads "<- e, ee" and returns its payload and our message "-> s, se" (with psk under XKpsk3). */
  async finish(message, payload) {
    this.#next(1);
    const re = message.subarray(0, KEY_BYTES);
    if (re.length !== KEY_BYTES) throw new Error("reading the Noise message: too short");
    await this.#s.mixHash(re);
    if (this.#psk) await this.#s.mixKey(re);
    await this.#s.mixKey(await dh(this.#ephemeral.privateKey, re));
    const received = await this.#s.decryptAndHash(message.subarray(KEY_BYTES));

    const s = await this.#s.encryptAndHash(await publicBytes(this.#static.publicKey));
    await this.#s.mixKey(await dh(this.#static.privateKey, re));
    if (this.#psk) await this.#s.mixKeyAndHash(this.#psk);
    const rest = await this.#s.encryptAndHash(payload);
    const [, replyKey] = await hkdf(this.#s.ck, EMPTY, 2);
    this.#reply = new Cipher(replyKey);
    this.#ephemeral = undefined;
    return { payload: received, message: concat(s, rest), hash: this.#s.h };
  }

  /** open decrypts the gateway's first transport message. */
  async open(message) {
    this.#next(2);
    return this.#reply.decrypt(EMPTY, message);
  }
}
