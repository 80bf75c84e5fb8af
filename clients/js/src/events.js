/**
 * Returns a function that parses server-sent events (WHATWG's format) from pieces of text, cut anywhere.
 * Calls `dispatch(type, data, id)` for each event; `type` is `""` without an `event:` line, `id` is NaN without
 * an `id:` line.
 */
export function eventParser(dispatch) {
  let rest = "", type = "", data = [], id = NaN;
  return (text) => {
    const lines = text.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop();
    for (const line of lines) {
      // `.` would not match U+2028.
      const [, field, value] = /^([^:\r]*):? ?([^]*?)\r?$/.exec(line);
      if (field === "data") data.push(value);
      else if (field === "event") type = value;
      else if (field === "id") id = +value;
      else if (line === "" || line === "\r") {
        if (data.length) dispatch(type, data.join("\n"), id);
        type = "";
        data = [];
        id = NaN;
      }
    }
  };
}
