// Loses answers of the gateway's and carries on. In: {url, pinnedKeys, code}. Out: what came of it.

import { Gateway, memoryStore, UnreachableError } from "../../../clients/web/src/index.js";

const { url, pinnedKeys, code } = JSON.parse(await new Response(process.stdin).text());
let lose = "";
async function losing(address, init) {
  const response = await fetch(address, init);
  if (lose && init.body && address.endsWith("/dh/finish") && lose === purpose) throw new TypeError("the connection was reset");
  if (address.endsWith("/dh/start")) purpose = JSON.parse(init.body).purpose;
  return response;
}
let purpose = "";

/** unheard does something of which the gateway's answer does not arrive. */
async function unheard(what, act) {
  lose = what;
  try {
    await act();
    throw new Error(`${what}: the answer arrived`);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
  } finally {
    lose = "";
  }
}

const refused = (act) => act().then(() => 0, (error) => error.code);
const store = memoryStore();
const gateway = new Gateway({ url, pinnedKeys, store, fetch: losing });

await unheard("enrol", () => gateway.enrol(code));
const enrolled = await gateway.enrol(code);
const out = { devices: (await enrolled.devices()).map((d) => d.status), before: (await gateway.enrolled()).publicKey };

const old = memoryStore();
await old.save(`${url} default`, await store.load(`${url} default`));
await unheard("rotate", () => gateway.rotate());
const loggedIn = await gateway.login();
out.after = (await gateway.enrolled()).publicKey;
out.sameDevice = loggedIn.deviceID === enrolled.deviceID;
out.oldKey = await refused(() => new Gateway({ url, pinnedKeys, store: old }).login());

const rotated = await gateway.rotate();
out.rotated = (await gateway.enrolled()).publicKey;
out.me = (await rotated.api("/user/get_users_info", { userIDs: [rotated.userID] })).usersInfo?.[0]?.userID;
await rotated.revoke();
out.revoked = await refused(() => rotated.check());
process.stdout.write(JSON.stringify(out));
