// The messages of OpenIM's socket that this page uses. Frames are JSON; their data is protobuf (sdkws.proto of
// openimsdk/protocol). docs/websocket.md lists the fields.

/** Identifiers of frames. */
export const SEND = 1003;
export const PUSH = 2001;
export const KICK = 2002;

export const TEXT = 101; // content type
const SINGLE = 1; // session type: one user to one user

/** Field numbers. */
const MSG = {
  sendID: 1, recvID: 2, clientMsgID: 4, serverMsgID: 5, senderPlatformID: 6, sessionType: 9, contentType: 11, content: 12, seq: 14,
  sendTime: 15, createTime: 16,
};
const PUSH_MESSAGES = { msgs: 1 }; // a map from conversation to sdkws.PullMsgs
const ENTRY = { key: 1, value: 2 }; // of a map
const PULL = { msgs: 1 };
const SENT = { serverMsgID: 1, clientMsgID: 2, sendTime: 3 }; // msg.SendMsgResp

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function varint(value) {
  const out = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return [...out, Number(rest)];
    out.push(Number(rest & 127n) | 128);
  }
}

const number = (field, value) => [...varint(field << 3), ...varint(value)];

function bytes(field, value) {
  const content = typeof value === "string" ? encoder.encode(value) : value;
  return [...varint((field << 3) | 2), ...varint(content.length), ...content];
}

/** read returns the fields of a message: numbers as BigInt, all others as bytes. */
export function read(message) {
  let at = 0;
  const next = () => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= message.length) throw new RangeError("reading protobuf: the message ends too early");
      const byte = message[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new RangeError("reading protobuf: a number is too long");
  };
  const fields = [];
  while (at < message.length) {
    const tag = Number(next());
    const kind = tag & 7;
    if (kind === 0) {
      fields.push({ number: tag >> 3, value: next() });
      continue;
    }
    const length = kind === 2 ? Number(next()) : { 1: 8, 5: 4 }[kind];
    if (length === undefined || at + length > message.length) throw new RangeError("reading protobuf: malformed message");
    fields.push({ number: tag >> 3, value: message.subarray(at, (at += length)) });
  }
  return fields;
}

const find = (fields, number) => fields.find((f) => f.number === number)?.value;
const text = (value) => (value instanceof Uint8Array ? decoder.decode(value) : "");

/** encodeText encodes sdkws.MsgData with a text for one user. */
export function encodeText({ sendID, recvID, platformID, text: words, clientMsgID, now }) {
  return Uint8Array.from([
    ...bytes(MSG.sendID, sendID), ...bytes(MSG.recvID, recvID), ...bytes(MSG.clientMsgID, clientMsgID),
    ...number(MSG.senderPlatformID, platformID), ...number(MSG.sessionType, SINGLE), ...number(MSG.contentType, TEXT),
    ...bytes(MSG.content, JSON.stringify({ content: words })), ...number(MSG.createTime, now),
  ]);
}

/** decodeMessage reads sdkws.MsgData. */
export function decodeMessage(message) {
  const fields = read(message);
  const contentType = Number(find(fields, MSG.contentType) ?? 0n);
  const out = {
    sendID: text(find(fields, MSG.sendID)), recvID: text(find(fields, MSG.recvID)),
    clientMsgID: text(find(fields, MSG.clientMsgID)), serverMsgID: text(find(fields, MSG.serverMsgID)),
    contentType, seq: Number(find(fields, MSG.seq) ?? 0n), sendTime: Number(find(fields, MSG.sendTime) ?? 0n), text: "",
  };
  if (contentType === TEXT) {
    try {
      out.text = String(JSON.parse(text(find(fields, MSG.content))).content ?? "");
    } catch {
      // content that is not JSON: the text stays empty
    }
  }
  return out;
}

/** decodePush decodes sdkws.PushMessages, without its notifications. */
export function decodePush(data) {
  const entries = read(data).filter((f) => f.number === PUSH_MESSAGES.msgs);
  return entries.flatMap((entry) => {
    const pull = find(read(entry.value), ENTRY.value) ?? new Uint8Array(0);
    return read(pull).filter((f) => f.number === PULL.msgs).map((f) => decodeMessage(f.value));
  });
}

/** decodeSent reads msg.SendMsgResp. */
export function decodeSent(data) {
  const fields = read(data);
  const number = (field) => Number(find(fields, field) ?? 0n);
  return { serverMsgID: text(find(fields, SENT.serverMsgID)), clientMsgID: text(find(fields, SENT.clientMsgID)), sendTime: number(SENT.sendTime) };
}

/** toFrame encodes a request. It contains no token: the ticket that opened the socket identifies the sender. */
export function toFrame({ id, sendID, operationID, msgIncr, data }) {
  let raw = "";
  for (const b of data) raw += String.fromCharCode(b);
  return encoder.encode(JSON.stringify({ reqIdentifier: id, sendID, operationID, msgIncr, data: btoa(raw) }));
}

/** fromFrame decodes a reply or a push. */
export function fromFrame(content) {
  const frame = JSON.parse(typeof content === "string" ? content : decoder.decode(content));
  const data = Uint8Array.from(atob(frame.data ?? ""), (c) => c.charCodeAt(0));
  return { id: frame.reqIdentifier, msgIncr: frame.msgIncr, errCode: frame.errCode ?? 0, errMsg: frame.errMsg ?? "", data };
}
