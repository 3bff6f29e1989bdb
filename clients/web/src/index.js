// Client of an openim-operator gateway for browsers. index.d.ts documents the API, docs/login.md the protocol.

export { GatewayError, UnreachableError, UntrustedGatewayError } from "./errors.js";
export { Gateway } from "./gateway.js";
export { Session } from "./session.js";
export { browserStore, memoryStore } from "./store.js";
