/** Session is a login. Its token is what official SDKs are given; it is kept in memory, and nowhere else. */
export class Session {
  #wsAddr;
  #post;
  #token;

  /** post(path, body, token) calls the gateway. */
  constructor(wsAddr, post, reply) {
    this.#wsAddr = wsAddr;
    this.#post = post;
    this.#token = reply.token;
    this.sessionID = reply.sessionID;
    this.userID = reply.userID;
    this.deviceID = reply.deviceID;
    this.platformID = reply.platformID;
    this.expires = new Date(reply.expires * 1000);
  }

  /** token is no property of its own, so that a session which is written to a log does not carry it along. */
  get token() {
    return this.#token;
  }

  #own(path, body) {
    return this.#post(`/auth/v1/${path}`, body, this.#token);
  }

  /** api calls one of OpenIM's routes as this user. */
  async api(path, body = {}) {
    if (!/^(\/[A-Za-z0-9_]+)+$/.test(path)) throw new TypeError("path must be one of OpenIM's, such as /user/get_users_info");
    return this.#post(`/im/v1${path}`, body, this.#token);
  }

  /** check asks whether the session is still good. */
  check() {
    return this.#own("session", {});
  }

  /** ticket gets the right to open one socket within 30 seconds. */
  async ticket() {
    return (await this.#own("tickets", {})).ticket;
  }

  /** openSocket opens OpenIM's socket with a ticket, JSON frames. No credential stands in its address. */
  async openSocket({ operationID = crypto.randomUUID() } = {}) {
    const query = new URLSearchParams({ sendID: this.userID, platformID: String(this.platformID), operationID, isBackground: "false", sdkType: "js" });
    const socket = new WebSocket(`${this.#wsAddr}?${query}`, ["openim.v1", `ticket.${await this.ticket()}`]);
    socket.binaryType = "arraybuffer";
    return socket;
  }

  /** issueCode gets a code with which another device of this user enrols. */
  issueCode(platformID = 0) {
    return this.#own("codes", { platformID });
  }

  /** devices lists this user's devices. */
  async devices() {
    return (await this.#own("devices", {})).devices ?? [];
  }

  /** revokeDevice takes a device of this user's away for good. */
  revokeDevice(deviceID) {
    return this.#own("devices/revoke", { deviceID });
  }

  /** revoke ends this session, or all of this device's or user's. */
  revoke(scope = "session") {
    return this.#own("sessions/revoke", { scope });
  }
}
