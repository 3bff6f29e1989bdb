// A page that enrols, logs in, chats and manages the user's devices. Text of other users is inserted as text, never as markup.

import { Gateway } from "../src/index.js";
import { decodePush, decodeSent, encodeText, fromFrame, KICK, PUSH, SEND, toFrame } from "./frames.js";

const REVOKED = 4401; // close code: the session was revoked or has expired
const REPLY_TIMEOUT = 15_000; // milliseconds
const MAX_SHOWN = 500;

const $ = (id) => document.getElementById(id);
let session;
let socket;
let revoked = false;
let next = 0;
const waiting = new Map();

function show(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
  const online = state === "online";
  for (const id of ["send", "refresh", "logout"]) $(id).disabled = !online;
  for (const id of ["enrol", "login"]) $(id).disabled = online;
}

function element(name, text, className = "") {
  const e = document.createElement(name);
  e.textContent = text;
  e.className = className;
  return e;
}

/** showMessage shows a message once. The gateway also pushes the user's own messages, for the user's other devices. */
function showMessage({ sendID, text, contentType, clientMsgID }) {
  if ([...$("messages").children].some((line) => line.dataset.message === clientMsgID)) return;
  const line = element("li", "", sendID === session.userID ? "mine" : "");
  line.dataset.message = clientMsgID;
  line.append(element("strong", sendID), element("span", text || `(content type ${contentType})`));
  $("messages").append(line);
  while ($("messages").children.length > MAX_SHOWN) $("messages").firstChild.remove();
  line.scrollIntoView({ block: "nearest" });
}

/** attempt runs the action of a button, and shows its error. */
async function attempt(act) {
  $("problem").textContent = "";
  try {
    await act();
  } catch (error) {
    $("problem").textContent = error.message;
  }
}

const gateway = () => new Gateway({ url: $("url").value.trim(), pinnedKeys: $("pin").value.trim() ? [$("pin").value.trim()] : [] });

async function online(loggedIn) {
  session = loggedIn;
  revoked = false;
  $("code").value = "";
  $("whoami").textContent = `${session.userID}, device ${session.deviceID}`;
  localStorage.setItem("gateway", JSON.stringify({ url: $("url").value.trim(), pin: $("pin").value.trim() }));
  await connect();
  await listDevices();
}

async function connect() {
  const opened = await session.openSocket();
  socket = opened;
  opened.addEventListener("message", ({ data }) => receive(data));
  opened.addEventListener("close", (event) => closed(opened, event));
  await new Promise((resolve, reject) => {
    opened.addEventListener("open", resolve);
    opened.addEventListener("close", () => reject(new Error("opening the socket: refused: check that the page's origin is in the stack's list")));
  });
  show("online", `Online as ${session.userID}`);
}

function closed(which, { code, reason }) {
  if (which !== socket) return;
  socket = undefined;
  for (const { reject } of waiting.values()) reject(new Error("waiting for the reply: the socket was closed"));
  waiting.clear();
  if (reason === "replaced") show("revoked", "Logged out: you logged in on another device");
  else if (revoked || code === REVOKED) show("revoked", "Revoked: this session was ended from elsewhere");
  else if (session) show("lost", "Connection lost: log in again");
}

function receive(content) {
  if (typeof content === "string") return; // replies to heartbeats
  const frame = fromFrame(content);
  if (frame.id === KICK) {
    revoked = true;
  } else if (frame.id === PUSH) {
    for (const message of decodePush(frame.data)) showMessage(message);
  } else {
    waiting.get(frame.msgIncr)?.resolve(frame);
  }
}

/** request sends a frame and waits for the reply to it. */
async function request(id, data) {
  const msgIncr = String(++next);
  let timer;
  try {
    const frame = await new Promise((resolve, reject) => {
      waiting.set(msgIncr, { resolve, reject });
      timer = setTimeout(() => reject(new Error("waiting for the reply: timeout")), REPLY_TIMEOUT);
      socket.send(toFrame({ id, sendID: session.userID, operationID: crypto.randomUUID(), msgIncr, data }));
    });
    if (frame.errCode !== 0) throw new Error(frame.errMsg || `refused with code ${frame.errCode}`);
    return frame.data;
  } finally {
    clearTimeout(timer);
    waiting.delete(msgIncr);
  }
}

async function send() {
  const recvID = $("to").value.trim();
  const text = $("text").value;
  const clientMsgID = crypto.randomUUID();
  const data = encodeText({ sendID: session.userID, recvID, platformID: session.platformID, text, clientMsgID, now: Date.now() });
  decodeSent(await request(SEND, data));
  showMessage({ sendID: session.userID, text, clientMsgID });
  $("text").value = "";
}

async function listDevices() {
  const devices = await session.devices();
  $("devices").replaceChildren(
    ...devices.map((device) => {
      const own = device.id === session.deviceID;
      const line = element("li", "");
      line.dataset.device = device.id;
      line.dataset.status = device.status;
      line.append(element("span", `${device.name}${own ? " (this browser)" : ""}, ${device.status}`));
      if (device.status === "active") {
        const button = element("button", "Revoke", "plain");
        button.type = "button";
        button.setAttribute("aria-label", `Revoke ${device.name}${own ? ", this browser" : ""}`);
        button.addEventListener("click", () => attempt(async () => {
          await session.revokeDevice(device.id);
          if (!own) await listDevices();
        }));
        line.append(button);
      }
      return line;
    }),
  );
}

async function logout() {
  const ending = session;
  session = undefined;
  socket?.close(1000);
  socket = undefined;
  $("devices").replaceChildren();
  show("out", "Logged out");
  await ending.revoke();
}

$("enrol").addEventListener("click", () => attempt(async () => {
  if ($("gateway").reportValidity()) await online(await gateway().enrol($("code").value, { deviceName: "example page" }));
}));
$("login").addEventListener("click", () => attempt(async () => {
  if ($("gateway").reportValidity()) await online(await gateway().login());
}));
$("logout").addEventListener("click", () => attempt(logout));
$("refresh").addEventListener("click", () => attempt(listDevices));
$("gateway").addEventListener("submit", (event) => event.preventDefault());
$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(send);
});

const remembered = JSON.parse(localStorage.getItem("gateway") ?? "{}");
$("url").value = remembered.url ?? "";
$("pin").value = remembered.pin ?? "";
show("out", "Logged out");
if (remembered.url) {
  attempt(async () => {
    const device = await gateway().enrolled();
    if (device) $("whoami").textContent = `Enrolled as ${device.userID}, device ${device.deviceID}`;
  });
}
