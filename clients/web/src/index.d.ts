/** Log in to an openim-operator gateway from a browser. WebCrypto alone; the device's private key can never be read. */

/** Where enrolled devices are kept, each under a name. What is saved must last when save is done. */
export interface DeviceStore {
  load(name: string): Promise<Device | Enrolling | undefined>;
  save(name: string, device: Device | Enrolling): Promise<unknown>;
  remove(name: string): Promise<unknown>;
}

/** What is kept of an enrolled device. */
export interface Device {
  /** X25519, its private half not extractable. */
  key: CryptoKeyPair;
  userID: string;
  deviceID: string;
  /** OpenIM's platform number, 1 to 9; 5 is the web. */
  platformID: number;
  /** The gateway's keys that were believed last, base64url. */
  serverKeys?: string[];
  /** The key that a rotation under way is to bring. */
  next?: CryptoKeyPair;
}

/** What is kept of an enrolment under way. */
export interface Enrolling {
  key: CryptoKeyPair;
  codeID: string;
}

/** IndexedDB: the default. */
export const browserStore: DeviceStore;
/** Memory: gone with the page. */
export function memoryStore(): DeviceStore;

export interface GatewayOptions {
  /** The gateway's origin, such as https://im.example.com. */
  url: string;
  /** Its public keys, base64url, as its operator gives them. With none, url must be https, and the first document's are pinned. */
  pinnedKeys?: string[];
  /** The origin by which the gateway knows itself. Default: url's. */
  audience?: string;
  store?: DeviceStore;
  fetch?: typeof fetch;
}

export interface DeviceOptions {
  /** Under which the device of this gateway is kept here. Default: "default". */
  name?: string;
  /** Shown in lists of devices, at most 128 bytes. Default: "web". */
  deviceName?: string;
}

export class Gateway {
  constructor(options: GatewayOptions);
  /** For official OpenIM SDKs. */
  readonly apiAddr: string;
  /** For official OpenIM SDKs. */
  readonly wsAddr: string;
  /** The gateway's keys that are believed now. */
  readonly pinnedKeys: string[];
  /**
   * Makes this browser a device of the code's user, and logs it in. After an UnreachableError try again with the same code: if
   * the gateway has heard the first time, it gives the same device.
   */
  enrol(code: string, options?: DeviceOptions & { platformID?: number }): Promise<Session>;
  /** Logs the enrolled device in. */
  login(options?: DeviceOptions): Promise<Session>;
  /** Replaces the device's key by a new one. After an UnreachableError log in: it finds out which of the two keys counts. */
  rotate(options?: DeviceOptions): Promise<Session>;
  /** As whom this browser is enrolled. */
  enrolled(name?: string): Promise<{ userID: string; deviceID: string; platformID: number; publicKey: string } | undefined>;
  /** Removes the key from this browser; the device stays until it is revoked. */
  forget(name?: string): Promise<unknown>;
}

export class Session {
  /** What official OpenIM SDKs take as their token. */
  readonly token: string;
  readonly sessionID: string;
  readonly userID: string;
  readonly deviceID: string;
  readonly platformID: number;
  readonly expires: Date;
  /** Calls one of OpenIM's routes, such as /user/get_users_info, as this user. */
  api(path: string, body?: object): Promise<any>;
  /** Asks whether the session is still good. */
  check(): Promise<unknown>;
  /** The right to open one socket within 30 seconds. */
  ticket(): Promise<string>;
  /** Opens OpenIM's socket with a ticket; frames are JSON. */
  openSocket(options?: { operationID?: string }): Promise<WebSocket>;
  /** A code with which another device of this user enrols. */
  issueCode(platformID?: number): Promise<{ code: string; expires: string }>;
  devices(): Promise<Array<{ id: string; name: string; platformID: number; status: "active" | "revoked"; created: string }>>;
  revokeDevice(deviceID: string): Promise<unknown>;
  /** Ends this session, or all of this device's or user's. */
  revoke(scope?: "session" | "device" | "user"): Promise<unknown>;
}

/** An answer of the gateway's that is no success. */
export class GatewayError extends Error {
  /** OpenIM's errCode: 1501 expired, 1506 revoked, 1502 the login failed,
   * 1590 a call that takes a login of the last two minutes: log in again and repeat it. */
  readonly code: number;
  /** HTTP status. */
  readonly status: number;
}

/** No answer, or none that could be read. What was asked may have been done. */
export class UnreachableError extends Error {}

/** Whoever answers does not hold a key that is pinned. */
export class UntrustedGatewayError extends Error {}
