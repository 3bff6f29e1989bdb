import { fromBase64url, toBase64url, utf8 } from "./bytes.js";
import { GatewayError, UntrustedGatewayError } from "./errors.js";
import { generateKey, Initiator, KEY_BYTES, publicBytes } from "./noise.js";
import { GREETING_BYTES, HELLO_BYTES, keyID, pad, parseCode, prologue, REPLY_BYTES, unpad, XK, XKPSK3 } from "./protocol.js";
import { Session } from "./session.js";
import { browserStore } from "./store.js";
import { get, post } from "./wire.js";

const VERSION = "web/0.1.0";
const WEB = 5; // OpenIM's platform number of browsers
const REFUSED = 1502; // the errCode of every login that fails
const MAX_KEYS = 4;
const MAX_NAME = 128; // bytes
const DOCUMENT_MAX_AGE = 300_000; // milliseconds, the max-age of the document's headers

const readKey = (text) => fromBase64url(text, KEY_BYTES);
const isRefused = (error) => error instanceof GatewayError && error.code === REFUSED;

/** Gateway calls one gateway: it enrols this browser as a device, logs the device in and rotates its key. */
export class Gateway {
  #base;
  #audience;
  #store;
  #pins;
  #fetch;
  #document;

  constructor({ url, pinnedKeys = [], audience, store = browserStore, fetch = globalThis.fetch.bind(globalThis) }) {
    const base = new URL(url);
    const isOrigin = base.pathname === "/" && !base.search && !base.hash && !base.username && !base.password;
    if (!["https:", "http:"].includes(base.protocol) || !isOrigin) {
        throw new TypeError("checking url: not an origin: write the gateway's origin, such as https://im.example.com");
    }
    if (pinnedKeys.length === 0 && base.protocol !== "https:") {
      throw new TypeError("checking pinnedKeys: none given, and url is not https: set pinnedKeys, or an https url");
    }
    if (!globalThis.crypto?.subtle) throw new TypeError("checking the browser: no WebCrypto: serve the page over https, or from localhost");
    this.#base = base.origin;
    this.#audience = audience ?? base.origin;
    this.#store = store;
    try {
      this.#pins = pinnedKeys.map(readKey);
    } catch {
      throw new TypeError("parsing pinnedKeys: malformed key: write 32 bytes in base64url, 43 characters");
    }
    this.#fetch = fetch;
  }

  /** apiAddr is the API address for official OpenIM SDKs. */
  get apiAddr() {
    return `${this.#base}/im/v1`;
  }

  /** wsAddr is the WebSocket address for official OpenIM SDKs. */
  get wsAddr() {
    return `${this.#base.replace(/^http/, "ws")}/im/v1/ws`;
  }

  /** pinnedKeys are the gateway's public keys that the client trusts now. */
  get pinnedKeys() {
    return this.#pins.map(toBase64url);
  }

  #post(path, body, token) {
    return post(this.#fetch, this.#base + path, body, token);
  }

  /** #published returns the keys of the gateway's key document. Without pins it pins them: https authenticated the document. */
  async #published(refetch) {
    if (!refetch && this.#document && Date.now() - this.#document.fetched < DOCUMENT_MAX_AGE) return this.#document.keys;
    const document = await get(this.#fetch, `${this.#base}/.well-known/openim-gateway`);
    if (document.audience !== this.#audience) {
      throw new UntrustedGatewayError(`checking the key document: it names ${document.audience}: if that is right, pass it as audience`);
    }
    let keys;
    try {
      if (document.version !== 1 || document.keys.length < 1 || document.keys.length > MAX_KEYS) throw new RangeError();
      keys = document.keys.map((k) => readKey(k.key));
    } catch {
      throw new UntrustedGatewayError("parsing the key document: unknown format: check url, and update this client");
    }
    this.#document = { fetched: Date.now(), keys };
    if (this.#pins.length === 0) this.#pins = keys;
    return keys;
  }

  /** #serverKey returns the first published key that is pinned. */
  async #serverKey(refetch) {
    const keys = await this.#published(refetch);
    const pinned = new Set(this.pinnedKeys);
    const key = keys.find((k) => pinned.has(toBase64url(k)));
    if (!key) throw new UntrustedGatewayError("selecting the gateway's key: none is pinned: get the new key from the gateway's operator");
    return key;
  }

  /** #updatePins replaces the pins by the keys that an authenticated gateway sent. The list must contain the key that it proved. */
  #updatePins(proved, texts) {
    if (!Array.isArray(texts) || texts.length > MAX_KEYS || !texts.includes(toBase64url(proved))) return;
    try {
      this.#pins = texts.map(readKey);
    } catch {
      // a malformed list changes nothing
    }
  }

  /**
    * #handshake runs a login of two calls. The gateway refuses the first call when the key for which it was made is no longer in
    * service. Then #handshake fetches the document again, and repeats the login when the document offers another pinned key.
   */
  async #handshake(attempt) {
    if (utf8(attempt.hello.deviceName).length > MAX_NAME) throw new RangeError(`checking deviceName: more than ${MAX_NAME} bytes: shorten it`);
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
      unpad(answer.payload, GREETING_BYTES);
      message = toBase64url(answer.message);
    } catch (cause) {
      throw new UntrustedGatewayError("authenticating the gateway: the server did not prove possession of the pinned key", { cause });
    }
    const finished = await this.#post("/auth/v1/dh/finish", { handshakeID: started.handshakeID, message }, token);
    try {
      reply = unpad(await initiator.open(fromBase64url(finished.message)), REPLY_BYTES);
    } catch (cause) {
      throw new UntrustedGatewayError("authenticating the gateway: the last reply was not encrypted by the gateway", { cause });
    }
    this.#updatePins(server, reply.serverKeys);
    return reply;
  }

  #session(reply) {
    return new Session(this.wsAddr, (...call) => this.#post(...call), reply);
  }

  /** #slot returns the name in the store of a device of this gateway. */
  #slot(name) {
    return `${this.#audience} ${name}`;
  }

  async #device(name) {
    const device = await this.#store.load(this.#slot(name));
    if (!device) throw new Error(`loading the device: none is enrolled under the name ${JSON.stringify(name)}: enrol first`);
    if (this.#pins.length === 0 && device.serverKeys) this.#pins = device.serverKeys.map(readKey);
    return device;
  }

  /**
    * enrol registers this browser as a device of the enrolment code's user, and logs it in. The key is stored before the first call.
    * If the gateway's reply is lost, the code is used up. A second enrol with the same code then logs in with the stored key.
   */
  async enrol(code, { name = "default", deviceName = "web", platformID = WEB } = {}) {
    const parsed = await parseCode(code);
    const pending = `${this.#slot(name)} enrolling`;
    const hello = { platformID, deviceName };
    const earlier = await this.#store.load(pending);
    const again = earlier?.codeID === parsed.id;
    const key = again ? earlier.key : await generateKey();
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
      key = next; // the reply to an earlier rotation was lost: the gateway has the new key
      return this.#handshake({ purpose: "login", key, hello });
    });
    await this.#store.save(this.#slot(name), { ...device, key, serverKeys: this.pinnedKeys });
    return this.#session(reply);
  }

  /** rotate replaces the device's key by a new one. It logs in with the old key first. */
  async rotate({ name = "default", deviceName = "web" } = {}) {
    const { token } = await this.login({ name, deviceName });
    const device = await this.#device(name);
    const key = await generateKey();
    await this.#store.save(this.#slot(name), { ...device, next: key });
    const reply = await this.#handshake({ purpose: "rotate", key, token, hello: { platformID: device.platformID, deviceName } });
    await this.#store.save(this.#slot(name), { ...device, key, serverKeys: this.pinnedKeys });
    return this.#session(reply);
  }

  /** enrolled returns the user and the device as which this browser is enrolled, undefined without an enrolment. */
  async enrolled(name = "default") {
    const device = await this.#store.load(this.#slot(name));
    if (!device) return undefined;
    const { userID, deviceID, platformID } = device;
    return { userID, deviceID, platformID, publicKey: toBase64url(await publicBytes(device.key.publicKey)) };
  }

  /** forget removes the device's key from this browser. At the gateway the device stays enrolled until it is revoked. */
  forget(name = "default") {
    return this.#store.remove(this.#slot(name));
  }
}
