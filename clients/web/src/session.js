/** Session is a login. It holds the session's token in memory only; official OpenIM SDKs take the token as theirs. */
export class Session {
  #wsAddr;
  #post;
  #token;

  /** constructor takes post(path, body, token), which calls the gateway, and the reply to the login. */
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

  /** token is an accessor over a private field, so that a logged or serialised session does not contain it. */
  get token() {
    return this.#token;
  }

  #own(path, body) {
    return this.#post(`/auth/v1/${path}`, body, this.#token);
  }

  /** api calls one of OpenIM's routes as this user. */
  async api(path, body = {}) {
    if (!/^(\/[A-Za-z0-9_]+)+$/.test(path)) throw new TypeError("checking path: not a path of OpenIM: write it as /user/get_users_info");
    return this.#post(`/im/v1${path}`, body, this.#token);
  }

  /** check rejects with a GatewayError when the session is no longer valid. */
  check() {
    return this.#own("session", {});
  }

  /** ticket returns a ticket, which opens one WebSocket within 30 seconds. */
  async ticket() {
    return (await this.#own("tickets", {})).ticket;
  }

  /** openSocket opens OpenIM's WebSocket with a ticket; frames are JSON. The address contains no credential. */
  async openSocket({ operationID = crypto.randomUUID() } = {}) {
    const query = new URLSearchParams({
      sendID: this.userID, platformID: String(this.platformID), operationID, isBackground: "false", sdkType: "js",
    });
    const socket = new WebSocket(`${this.#wsAddr}?${query}`, ["openim.v1", `ticket.${await this.ticket()}`]);
    socket.binaryType = "arraybuffer";
    return socket;
  }

  /** issueCode returns an enrolment code for another device of this user; platformID 0 permits any platform. */
  issueCode(platformID = 0) {
    return this.#own("codes", { platformID });
  }

  /** devices lists this user's devices. */
  async devices() {
    return (await this.#own("devices", {})).devices ?? [];
  }

  /** revokeDevice revokes a device of this user permanently. */
  revokeDevice(deviceID) {
    return this.#own("devices/revoke", { deviceID });
  }

  /** revoke ends this session ("session"), or all sessions of this device ("device") or user ("user"). */
  revoke(scope = "session") {
    return this.#own("sessions/revoke", { scope });
  }
}
