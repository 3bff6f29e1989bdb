/** Client of an openim-operator gateway for browsers, over WebCrypto alone. No script can export the device's private key. */

/** Stores enrolled devices by name. A promise of save must resolve only after the device is stored durably. */
export interface DeviceStore {
  load(name: string): Promise<Device | Enrolling | undefined>;
  save(name: string, device: Device | Enrolling): Promise<unknown>;
  remove(name: string): Promise<unknown>;
}

/** The stored state of an enrolled device. */
export interface Device {
  /** X25519, its private half not extractable. */
  key: CryptoKeyPair;
  userID: string;
  deviceID: string;
  /** OpenIM's platform number, 1 to 9; 5 is the web. */
  platformID: number;
  /** The gateway's public keys that were pinned last, base64url. */
  serverKeys?: string[];
  /** The new key of a rotation whose reply has not arrived. */
  next?: CryptoKeyPair;
}

/** The stored state of an enrolment whose reply has not arrived. */
export interface Enrolling {
  key: CryptoKeyPair;
  codeID: string;
}

/** Stores in IndexedDB: the default. */
export const browserStore: DeviceStore;
/** Stores in memory, as long as the page lasts. */
export function memoryStore(): DeviceStore;

export interface GatewayOptions {
  /** The gateway's origin, such as https://im.example.com. */
  url: string;
  /** The gateway's public keys, 43 characters of base64url each. Without them, url must be https, and the keys of the first
   * document that the client fetches are pinned. */
  pinnedKeys?: string[];
  /** The gateway's own origin, to which the login is bound. Default: url's origin. */
  audience?: string;
  /** Where devices are stored. Default: browserStore. */
  store?: DeviceStore;
  /** The function that sends requests. Default: the browser's fetch. */
  fetch?: typeof fetch;
}

export interface DeviceOptions {
  /** The name of the device in the store, for more than one user in a browser. Default: "default". */
  name?: string;
  /** The name of the device in the user's list of devices, at most 128 bytes. Default: "web". */
  deviceName?: string;
}

/** Calls one gateway. Methods reject with one of the three error classes below, or with a TypeError or RangeError for arguments. */
export class Gateway {
  constructor(options: GatewayOptions);
  /** The API address for official OpenIM SDKs, such as https://im.example.com/im/v1. */
  readonly apiAddr: string;
  /** The WebSocket address for official OpenIM SDKs, such as wss://im.example.com/im/v1/ws. */
  readonly wsAddr: string;
  /** The gateway's public keys that the client trusts now, base64url. */
  readonly pinnedKeys: string[];
  /**
    * Registers this browser as a device of the enrolment code's user, and logs it in. After an UnreachableError call it again with
    * the same code: if the first call reached the gateway, the result is the same device.
   */
  enrol(code: string, options?: DeviceOptions & { platformID?: number }): Promise<Session>;
  /** Logs the enrolled device in. */
  login(options?: DeviceOptions): Promise<Session>;
  /** Replaces the device's key by a new one. After an UnreachableError call login: it determines which of the two keys is valid. */
  rotate(options?: DeviceOptions): Promise<Session>;
  /** The user and device as which this browser is enrolled, undefined without an enrolment. */
  enrolled(name?: string): Promise<{ userID: string; deviceID: string; platformID: number; publicKey: string } | undefined>;
  /** Removes the key from this browser. At the gateway the device stays enrolled until it is revoked. */
  forget(name?: string): Promise<unknown>;
}

/** A login. The gateway ends it when it expires, is not used for the stack's idle time, or is revoked. */
export class Session {
  /** The session's token, which official OpenIM SDKs take as theirs. Keep it in memory only. */
  readonly token: string;
  readonly sessionID: string;
  readonly userID: string;
  readonly deviceID: string;
  readonly platformID: number;
  /** When the session ends at the latest. */
  readonly expires: Date;
  /** Calls one of OpenIM's routes, such as /user/get_users_info, as this user, and returns the data of the reply. */
  api(path: string, body?: object): Promise<any>;
  /** Resolves when the session is still valid. Rejects with a GatewayError when it is not. */
  check(): Promise<unknown>;
  /** Requests a ticket, which opens one WebSocket within 30 seconds. */
  ticket(): Promise<string>;
  /** Opens OpenIM's WebSocket with a ticket; frames are JSON. */
  openSocket(options?: { operationID?: string }): Promise<WebSocket>;
  /** Requests an enrolment code for another device of this user. 0 permits any platform. code 1590: log in again first. */
  issueCode(platformID?: number): Promise<{ code: string; expires: string }>;
  /** All devices of the user, revoked ones included. */
  devices(): Promise<Array<{ id: string; name: string; platformID: number; status: "active" | "revoked"; created: string }>>;
  /** Revokes a device of the user permanently, with its sessions. code 1590 for another device: log in again first. */
  revokeDevice(deviceID: string): Promise<unknown>;
  /** Ends this session, or all sessions of this device or user. Devices stay enrolled. */
  revoke(scope?: "session" | "device" | "user"): Promise<unknown>;
}

/** A reply of the gateway with an error. */
export class GatewayError extends Error {
  /** OpenIM's errCode: 1501 the session has expired, 1506 it was revoked, 1507 it is unknown, 1502 the login failed,
   * 1590 the call requires a login of the last two minutes: log in again and repeat it. */
  readonly code: number;
  /** The status of HTTP. */
  readonly status: number;
  /** The session ended because the user logged in on another device. Log in again only when the user asks for it: two apps that do it
   * by themselves log each other out for ever. */
  readonly replaced: boolean;
}

/** No reply, or none that could be read. The call may or may not have taken effect. */
export class UnreachableError extends Error {}

/** The server did not prove possession of a pinned key. Do not continue. */
export class UntrustedGatewayError extends Error {}
