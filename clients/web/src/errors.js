// Errors of the client, one class for each way in which an app reacts.

/** GatewayError is a reply of the gateway with an error: code is OpenIM's errCode, status is the status of HTTP. */
export class GatewayError extends Error {
  constructor(code, status, message) {
    super(message || `the gateway replied with error code ${code}`);
    this.name = "GatewayError";
    this.code = code;
    this.status = status;
  }

  /** replaced reports whether the session ended because the user logged in on another device. Log in again only when the user asks. */
  get replaced() {
    return this.code === 1506 && this.message.startsWith("replaced: ");
  }
}

/** UnreachableError means that no reply arrived, or none that could be read. The call may or may not have taken effect. */
export class UnreachableError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "UnreachableError";
  }
}

/** UntrustedGatewayError means that the server did not prove possession of a pinned key. */
export class UntrustedGatewayError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "UntrustedGatewayError";
  }
}
