// The parts of the inspector's page that need no page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandsFor, quote } from "../inspect/commands.js";
import { age, bytes, rate, shortType } from "../inspect/format.js";

test("numbers have three digits and a unit", () => {
  for (const [count, text] of [[0, "0 B"], [999, "999 B"], [1000, "1.00 KB"], [123_456, "123 KB"], [5_670_000, "5.67 MB"], [1e18, "1000000 TB"]]) {
    assert.equal(bytes(count), text);
  }
  assert.deepEqual([rate(0), rate(1500)], ["–", "1.50 KB/s"]);
});

test("times have their two largest units", () => {
  for (const [seconds, text] of [[0, "0 s"], [59, "59 s"], [61, "1 min 01 s"], [7500, "2 h 05 min"], [90_000, "1 d 01 h"]]) assert.equal(age(seconds), text);
});

test("types are without modules", () => {
  assert.equal(shortType("chat::rooms::Room<alloc::string::String>"), "Room<String>");
  assert.equal(shortType("Room"), "Room");
});

test("commands are words of a shell", () => {
  assert.equal(quote("ws://host:1/a"), "ws://host:1/a");
  assert.equal(quote("/it's;{room}"), `'/it'\\''s;{room}'`);
  const [websocat, curl] = commandsFor("https://host", { path: "/rooms/{room}", options: [{ name: "subprotocols", value: "v1, v2" }] });
  assert.equal(websocat.command, "websocat --protocol v1 'wss://host/rooms/{room}'");
  assert.ok(curl.command.endsWith("-H 'Sec-WebSocket-Protocol: v1' 'https://host/rooms/{room}'"), curl.command);
  assert.equal(commandsFor("http://host", { path: "/", options: [{ name: "subprotocols", value: "none" }] })[0].command, "websocat ws://host/");
});
