import { fromBase64url, toBase64url, utf8 } from "./bytes.js";
import { GatewayError, UntrustedGatewayError } from "./errors.js";
import { generateKey, Initiator, KEY_BYTES, publicBytes } from "./noise.js";
import { GREETING_BYTES, HELLO_BYTES, keyID, pad, parseCode, prologue, REPLY_BYTES, unpad, XK, XKPSK3 } from "./protocol.js";
import { Session } from "./session.js";
import { browserStore } from "./store.js";
import { get, post } from "./wire.js";

const VERSION = "web/0.1.0";
const WEB = 5; // OpenIM's number of the platform
const REFUSED = 1502; // the answer to every login that fails
const MOST_KEYS = 4;
const MOST_NAME = 128; // bytes
const DOCUMENT_TIME = 300_000; // milliseconds, as the document's own headers say

const readKey = (text) => fromBase64url(text, KEY_BYTES);
const isRefused = (error) => error instanceof GatewayError && error.code === REFUSED;

export class Gateway {
  #base;
  #audience;
  #store;
  #pins;
  #fetch;
  #document;

  constructor({ url, pinnedKeys = [], audience, store = browserStore, fetch = globalThis.fetch.bind(globalThis) }) {
    const base = new URL(url);
    if (!["https:", "http:"].includes(base.protocol) || base.pathname !== "/" || base.search || base.hash || base.username || base.password) {
      throw new TypeError("url must be the gateway's origin, such as https://im.example.com");
    }
    if (pinnedKeys.length === 0 && base.protocol !== "https:") throw new TypeError("without pinnedKeys the gateway's keys must be fetched over https");
    if (!globalThis.crypto?.subtle) throw new TypeError("this page has no WebCrypto: serve it over https, or from localhost");
    this.#base = base.origin;
    this.#audience = audience ?? base.origin;
    this.#store = store;
    try {
      this.#pins = pinnedKeys.map(readKey);
    } catch {
      throw new TypeError("pinnedKeys must be the gateway's public keys: base64url of 32 bytes, 43 characters each");
    }
    this.#fetch = fetch;
  }

  /** apiAddr and wsAddr are what official OpenIM SDKs want to be told. */
  get apiAddr() {
    return `${this.#base}/im/v1`;
  }

  get wsAddr() {
    return `${this.#base.replace(/^http/, "ws")}/im/v1/ws`;
  }

  /** pinnedKeys are the gateway's keys that are believed now. */
  get pinnedKeys() {
    return this.#pins.map(toBase64url);
  }

  #post(path, body, token) {
    return post(this.#fetch, this.#base + path, body, token);
  }

  /** published are the keys of the gateway's document. Without pins they are believed, once, because https brought them. */
  async #published(anew) {
    if (!anew && this.#document && Date.now() - this.#document.at < DOCUMENT_TIME) return this.#document.keys;
    const document = await get(this.#fetch, `${this.#base}/.well-known/openim-gateway`);
    if (document.audience !== this.#audience) throw new UntrustedGatewayError(`the gateway calls itself ${document.audience}: give that as audience if it is right`);
    let keys;
    try {
      if (document.version !== 1 || document.keys.length < 1 || document.keys.length > MOST_KEYS) throw new RangeError();
      keys = document.keys.map((k) => readKey(k.key));
    } catch {
      throw new UntrustedGatewayError("the gateway's document is not understood: is this its address, and this client recent enough?");
    }
    this.#document = { at: Date.now(), keys };
    if (this.#pins.length === 0) this.#pins = keys;
    return keys;
  }

  /** serverKey is the first published key that is pinned. */
  async #serverKey(anew) {
    const keys = await this.#published(anew);
    const pinned = new Set(this.pinnedKeys);
    const key = keys.find((k) => pinned.has(toBase64url(k)));
    if (!key) throw new UntrustedGatewayError("none of the gateway's keys is pinned: get the new key from whoever runs it");
    return key;
  }

  /** learn takes over the keys alive that a gateway which proved itself has told. The one that it proved is among them. */
  #learn(proved, texts) {
    if (!Array.isArray(texts) || texts.length > MOST_KEYS || !texts.includes(toBase64url(proved))) return;
    try {
      this.#pins = texts.map(readKey);
    } catch {
      // what was believed stays believed
    }
  }

  /**
   * handshake makes the two calls. When the first is refused, the key that it was meant for may have gone out of service: the
   * document is fetched again, and another key tried.
   */
  async #handshake(attempt) {
    if (utf8(attempt.hello.deviceName).length > MOST_NAME) throw new RangeError(`deviceName must have at most ${MOST_NAME} bytes`);
    const server = await this.#serverKey(false);
    const first = await this.#start(attempt, server).catch((error) => {
      if (!isRefused(error)) throw error;
      return error;
    });
    if (!(first instanceof Error)) return this.#finish(attempt, server, first);
    const other = await this.#serverKey(true);
    if (toBase64url(other) === toBase64url(server)) throw first;
    return this.#finish(attempt, other, await this.#start(attempt, other));
  }

  async #start({ purpose, key, code }, server) {
    const protocol = code ? XKPSK3 : XK;
    const id = await keyID(server);
    const initiator = await Initiator.begin(protocol, prologue(this.#audience, id, purpose, protocol), server, key, code?.psk);
    const message = toBase64url(await initiator.start());
    const started = await this.#post("/auth/v1/dh/start", { protocol, keyID: id, purpose, ...(code && { codeID: code.id }), message });
    return { initiator, started };
  }

  async #finish({ hello, token }, server, { initiator, started }) {
    const greeting = pad({ ...hello, clientVersion: VERSION, clientTime: Date.now() }, HELLO_BYTES);
    let message, reply;
    try {
      const answer = await initiator.finish(fromBase64url(started.message), greeting);
      unpad(answer.said, GREETING_BYTES);
      message = toBase64url(answer.message);
    } catch (cause) {
      throw new UntrustedGatewayError("whoever answers does not hold the gateway's key", { cause });
    }
    const finished = await this.#post("/auth/v1/dh/finish", { handshakeID: started.handshakeID, message }, token);
    try {
      reply = unpad(await initiator.open(fromBase64url(finished.message)), REPLY_BYTES);
    } catch (cause) {
      throw new UntrustedGatewayError("the reply is not the gateway's", { cause });
    }
    this.#learn(server, reply.serverKeys);
    return reply;
  }

  #session(reply) {
    return new Session(this.wsAddr, (...call) => this.#post(...call), reply);
  }

  /** slot is where a device of this gateway is kept. */
  #slot(name) {
    return `${this.#audience} ${name}`;
  }

  async #device(name) {
    const device = await this.#store.load(this.#slot(name));
    if (!device) throw new Error(`no device is enrolled here under the name ${JSON.stringify(name)}: enrol first`);
    if (this.#pins.length === 0 && device.serverKeys) this.#pins = device.serverKeys.map(readKey);
    return device;
  }

  /**
   * enrol makes this browser a device of the code's user, and logs it in. The key is kept before the gateway hears of it: should
   * its answer get lost, the code is used up, but enrolling again with it logs in the device that it made.
   */
  async enrol(code, { name = "default", deviceName = "web", platformID = WEB } = {}) {
    const parsed = await parseCode(code);
    const pending = `${this.#slot(name)} enrolling`;
    const hello = { platformID, deviceName };
    const begun = await this.#store.load(pending);
    const again = begun?.codeID === parsed.id;
    const key = again ? begun.key : await generateKey();
    await this.#store.save(pending, { key, codeID: parsed.id });
    const reply = await this.#handshake({ purpose: "enrol", key, code: parsed, hello }).catch((error) => {
      if (!again || !isRefused(error)) throw error;
      return this.#handshake({ purpose: "login", key, hello });
    });
    const { userID, deviceID } = reply;
    await this.#store.save(this.#slot(name), { key, platformID: reply.platformID, userID, deviceID, serverKeys: this.pinnedKeys });
    await this.#store.remove(pending);
    return this.#session(reply);
  }

  /** login logs the enrolled device in again. */
  async login({ name = "default", deviceName = "web" } = {}) {
    const { next, ...device } = await this.#device(name);
    const hello = { platformID: device.platformID, deviceName };
    let { key } = device;
    const reply = await this.#handshake({ purpose: "login", key, hello }).catch((error) => {
      if (!next || !isRefused(error)) throw error;
      key = next; // a rotation of which the answer got lost
      return this.#handshake({ purpose: "login", key, hello });
    });
    await this.#store.save(this.#slot(name), { ...device, key, serverKeys: this.pinnedKeys });
    return this.#session(reply);
  }

  /** rotate replaces the device's key by a new one. It logs in with the old one first. */
  async rotate({ name = "default", deviceName = "web" } = {}) {
    const { token } = await this.login({ name, deviceName });
    const device = await this.#device(name);
    const key = await generateKey();
    await this.#store.save(this.#slot(name), { ...device, next: key });
    const reply = await this.#handshake({ purpose: "rotate", key, token, hello: { platformID: device.platformID, deviceName } });
    await this.#store.save(this.#slot(name), { ...device, key, serverKeys: this.pinnedKeys });
    return this.#session(reply);
  }

  /** enrolled says as whom this browser is enrolled, if it is. */
  async enrolled(name = "default") {
    const device = await this.#store.load(this.#slot(name));
    return device && { userID: device.userID, deviceID: device.deviceID, platformID: device.platformID, publicKey: toBase64url(await publicBytes(device.key.publicKey)) };
  }

  /** forget removes the device's key from this browser. The gateway keeps the device until it is revoked. */
  forget(name = "default") {
    return this.#store.remove(this.#slot(name));
  }
}
