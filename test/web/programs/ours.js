// Enrols by clients/web and logs in again, with keys in memory. In: {url, pinnedKeys, code}. Out: what each session says, and the key.

import { Gateway, memoryStore } from "../../../clients/web/src/index.js";

const { url, pinnedKeys, code } = JSON.parse(await new Response(process.stdin).text());
const gateway = new Gateway({ url, pinnedKeys, store: memoryStore() });
const session = ({ token, userID, deviceID, platformID }) => ({ token, userID, deviceID, platformID });
const enrolled = session(await gateway.enrol(code, { deviceName: "Ünïcode ✓" }));
const loggedIn = session(await gateway.login());
process.stdout.write(JSON.stringify({ enrolled, loggedIn, publicKey: (await gateway.enrolled()).publicKey, pinnedKeys: gateway.pinnedKeys }));
