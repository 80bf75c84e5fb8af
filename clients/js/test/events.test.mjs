// The parser of server-sent events.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventParser } from "../src/events.js";

const CASES = [
  ["data: a\n\n", [["", "a", NaN]]],
  ["data:a\nid:7\n\n", [["", "a", 7]]],
  ["data:  a\n\n", [["", " a", NaN]]],
  ["data\n\n", [["", "", NaN]]],
  ["data:\n\n", [["", "", NaN]]],
  ["data: a\ndata: b\ndata\n\n", [["", "a\nb\n", NaN]]],
  ["event: binary\ndata: aGk=\nid: 12\n\ndata: b\n\n", [["binary", "aGk=", 12], ["", "b", NaN]]],
  [": comment\n\n:\n\nretry: 1000\n\n\n\n", []],
  ["id: 3\n\ndata: a\n\n", [["", "a", NaN]]],
  ["data: a\r\nid: 1\r\n\r\ndata: b\r\n\r\n", [["", "a", 1], ["", "b", NaN]]],
  ["data: a: b\nfield: x\ndatax: y\n data: z\n\n", [["", "a: b", NaN]]],
  ["data: \u2028κ🎈\n\n", [["", "\u2028κ🎈", NaN]]],
  ["data: no end\n", []],
];

test("events are the same however their text is cut", () => {
  for (const [text, expected] of CASES) {
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second++) {
        const seen = [];
        const parse = eventParser((...event) => seen.push(event));
        parse(text.slice(0, first));
        parse(text.slice(first, second));
        parse(text.slice(second));
        assert.deepEqual(seen, expected, JSON.stringify([text, first, second]));
      }
    }
  }
});

test("a long event in small pieces takes linear time", () => {
  let seen;
  const parse = eventParser((_, data) => (seen = data.length));
  parse("data: ");
  for (let n = 0; n < 200_000; n++) parse("0123456789");
  parse("\n\n");
  assert.equal(seen, 2_000_000);
});
