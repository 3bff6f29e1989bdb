// Log in to an openim-operator gateway. See index.d.ts for what each thing takes and gives, docs/login.md for what happens.

export { GatewayError, UnreachableError, UntrustedGatewayError } from "./errors.js";
export { Gateway } from "./gateway.js";
export { Session } from "./session.js";
export { browserStore, memoryStore } from "./store.js";
