// What can go wrong, by kinds that an app treats differently.

/** GatewayError is an answer of the gateway's that is no success. code is OpenIM's errCode, status HTTP's. */
export class GatewayError extends Error {
  constructor(code, status, message) {
    super(message || `the gateway refused with code ${code}`);
    this.name = "GatewayError";
    this.code = code;
    this.status = status;
  }
}

/** UnreachableError: no answer, or none that could be read. What was asked may have been done. */
export class UnreachableError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "UnreachableError";
  }
}

/** UntrustedGatewayError: whoever answers does not hold a key that is pinned. */
export class UntrustedGatewayError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "UntrustedGatewayError";
  }
}
