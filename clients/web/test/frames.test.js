// The example page's protobuf, compared with bytes that were written by hand from the field numbers.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeMessage, decodePush, encodeText, fromFrame, read, toFrame } from "../example/frames.js";

const hex = (text) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

test("a text is sdkws.MsgData, byte for byte", () => {
  const data = encodeText({ sendID: "alice", recvID: "bob", platformID: 5, text: "hi", clientMsgID: "1", now: 300 });
  assert.equal(Buffer.from(data).toString("hex"), Buffer.from(hex(
    "0a05 616c696365 1203 626f62 2201 31 3005 4801 5865 6210 7b22636f6e74656e74223a226869227d 8001 ac02")).toString("hex"));
  const message = decodeMessage(data);
  assert.deepEqual([message.sendID, message.recvID, message.clientMsgID, message.contentType, message.text], ["alice", "bob", "1", 101, "hi"]);
});

test("a push holds the messages of several conversations", () => {
  const message = (id) => encodeText({ sendID: id, recvID: "bob", platformID: 1, text: `from ${id}`, clientMsgID: id, now: Date.now() });
  const field = (number, content) => [(number << 3) | 2, content.length, ...content];
  const entry = (id) => field(1, [...field(1, [...Buffer.from(`si_${id}_bob`)]), ...field(2, field(1, [...message(id)]))]);
  const pushed = decodePush(Uint8Array.from([...entry("alice"), ...entry("carol")]));
  assert.deepEqual(pushed.map((m) => m.text), ["from alice", "from carol"]);
});

test("64-bit numbers, fixed ones and unknown fields are read", () => {
  const fields = read(hex("80 01 ff ff ff ff ff ff ff ff ff 01  09 0102030405060708  0d 01020304"));
  assert.deepEqual(fields.map((f) => f.number), [16, 1, 1]);
  assert.equal(BigInt.asIntN(64, fields[0].value), -1n);
});

test("malformed messages are refused", () => {
  for (const bad of ["0a", "0a05 61", "80 80 80 80 80 80 80 80 80 80 80 01", "0b", "0f", "08 80"]) assert.throws(() => read(hex(bad)), RangeError, bad);
});

test("frames carry no token, and decode to what was encoded", () => {
  const content = toFrame({ id: 1003, sendID: "alice", operationID: "o", msgIncr: "7", data: Uint8Array.of(0, 255) });
  assert.deepEqual(Object.keys(JSON.parse(new TextDecoder().decode(content))), ["reqIdentifier", "sendID", "operationID", "msgIncr", "data"]);
  assert.deepEqual(fromFrame(content), { id: 1003, msgIncr: "7", errCode: 0, errMsg: "", data: Uint8Array.of(0, 255) });
});

test("content that is not JSON decodes to an empty text, and markup stays text", () => {
  const data = encodeText({ sendID: "a", recvID: "b", platformID: 1, text: "<img src=x onerror=alert(1)>", clientMsgID: "1", now: 1 });
  assert.equal(decodeMessage(data).text, "<img src=x onerror=alert(1)>");
  assert.equal(decodeMessage(hex("58 65 62 01 7b")).text, "");
});
