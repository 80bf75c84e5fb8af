// The parts of the documentation page that need no page, and what none of its parts may do.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { addressOf } from "../docs/address.js";
import { classify, frameOf, hintOf } from "../docs/frames.js";

const JSON_RPC = {
  format: { kind: "json_rpc" },
  message: { jsonrpc: "2.0", method: "$name", params: "$params" },
  call: { id: "$id", jsonrpc: "2.0", method: "$name", params: "$params" },
  result: { id: "$id", jsonrpc: "2.0", result: "$result" },
  error: { error: { code: "$code", data: "$data", message: "$message" }, id: "$id", jsonrpc: "2.0" },
};
const TAGGED = { format: { kind: "tagged", tag: "type" }, message: { type: "$name", $params: true }, call: { type: "$name", id: "$id", $params: true } };
const OCPP = { format: { kind: "custom" }, call: [2, "$id_text", "$name", "$params"], result: [3, "$id_text", "$result"] };

const item = (envelope, content, { kind = "call", side = "client", frame = "envelope", example = {} } = {}) =>
  ({ handler: { envelope, schemas: {} }, kind, side, name: "add", example: { content: example }, contract: { name: "add", content, frame } });
const json = (schema = true) => ({ kind: "json", schema });

test("the pages write no HTML and run no text", () => {
  for (const folder of ["../docs/", "../inspect/"].map((name) => new URL(name, import.meta.url))) {
    const files = readdirSync(folder).filter((name) => name.endsWith(".js"));
    assert.ok(files.length > 8);
    for (const name of files) {
      const source = readFileSync(new URL(name, folder), "utf8");
      assert.doesNotMatch(source, /(inner|outer)HTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|eval\(|new Function|\.(href|src|style|srcdoc) ?=/, name);
    }
  }
});

test("messages keep the digits of their numbers", () => {
  const text = '{"a": 18446744073709551615, "$": "$&"}';
  assert.equal(frameOf(item(JSON_RPC, json()), { id: 7, text }), `{"id":7,"jsonrpc":"2.0","method":"add","params":${text}}`);
  assert.equal(frameOf(item(OCPP, json()), { id: 7, text }), `[2,"7","add",${text}]`);
  assert.equal(frameOf(item(JSON_RPC, json(), { kind: "message", frame: "text" }), { text }), text);
  const answer = frameOf(item(JSON_RPC, json(), { side: "server" }), { id: "x", part: "result", text: "18446744073709551615" });
  assert.equal(answer, '{"id":"x","jsonrpc":"2.0","result":18446744073709551615}');
});

test("messages are written as the envelope does", () => {
  assert.equal(frameOf(item(JSON_RPC, json()), { id: 1, text: " 5" }), '{"id":1,"jsonrpc":"2.0","method":"add","params":[ 5]}');
  assert.equal(frameOf(item(JSON_RPC, { kind: "nothing" }), { id: 1 }), '{"id":1,"jsonrpc":"2.0","method":"add"}');
  assert.equal(frameOf(item(TAGGED, json()), { id: 1, text: '{"a": 1}' }), '{"type":"add","id":1,"a":1}');
  assert.equal(frameOf(item(TAGGED, json(), { example: { b: 2 } }), { id: 1 }), '{"type":"add","id":1,"b":2}');
  assert.equal(frameOf(item(JSON_RPC, json(), { example: 4 }), { id: 1 }), '{"id":1,"jsonrpc":"2.0","method":"add","params":[4]}');
  assert.equal(frameOf(item(JSON_RPC, json()), { id: 1, part: "error", code: -1, message: "no" }),
    '{"error":{"code":-1,"message":"no"},"id":1,"jsonrpc":"2.0"}');
  assert.equal(frameOf(item(undefined, json()), { id: 1 }), undefined);
});

test("hints say how a content differs", () => {
  const parameters = item(JSON_RPC, { kind: "parameters", parameters: [
    { name: "a", schema: { type: "integer" } }, { name: "b", is_optional: true, schema: { type: "string" } },
  ] });
  for (const [value, hint] of [
    [{ a: 1 }, undefined], [[1, "b"], undefined], [{}, "a is missing"], [{ a: "1" }, "a is not of type integer"],
    [{ a: 1, c: 2 }, "c is not a parameter"], [null, "the parameters are an object, or an array in their order"],
  ]) assert.equal(hintOf(parameters, value), hint, JSON.stringify(value));
  assert.equal(hintOf(item(JSON_RPC, json({ type: "boolean" })), 1), "the value is not of type boolean");
});

test("messages of the server are recognized", () => {
  const call = item(JSON_RPC, json(), { side: "server" });
  const message = { ...item(JSON_RPC, json(), { side: "server", kind: "message" }), name: "price" };
  const endpoint = { handler: call.handler, items: [call, message] };
  const kindOf = (received) => {
    const { kind, item: known } = classify(endpoint, received) ?? {};
    return [kind, known?.name];
  };
  assert.deepEqual(kindOf({ jsonrpc: "2.0", id: 1, method: "add", params: {} }), ["call", "add"]);
  assert.deepEqual(kindOf({ jsonrpc: "2.0", id: 1, method: "other" }), ["call", undefined]);
  assert.deepEqual(kindOf({ jsonrpc: "2.0", method: "price", params: [1] }), ["message", "price"]);
  assert.deepEqual(kindOf({ jsonrpc: "2.0", id: 1, result: null }), ["result", undefined]);
  assert.deepEqual(kindOf({ jsonrpc: "2.0", id: 1, error: { code: 1, message: "" } }), ["error", undefined]);
  assert.deepEqual(kindOf([]), [undefined, undefined]);
});

test("addresses have their parameters", () => {
  const handler = { path: "/room/{name}/{*rest}", query: [{ name: "token" }, { name: "depth", is_optional: true }] };
  const { address, missing } = addressOf(handler, "ws://host/live/", { name: "a/b", rest: "c d/e", token: "&" });
  assert.equal(address, "ws://host/live/room/a%2Fb/c%20d/e?token=%26");
  assert.deepEqual(missing, []);
  assert.deepEqual(addressOf(handler, "ws://host", {}).missing, ["name", "rest", "token"]);
});
