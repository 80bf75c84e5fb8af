// Commands for a shell that connect to an endpoint.

/** Returns a text as one word of a POSIX shell. */
export const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Returns the commands for the endpoint at a path of a server. `base` is its address, as `http://host` or `https://host`. */
export function commandsFor(base, { path, options }) {
  const socket = base.replace(/^http/, "ws") + path;
  const subprotocol = options.find(({ name }) => name === "subprotocols")?.value.split(", ")[0];
  const has = subprotocol !== undefined && subprotocol !== "none";
  return [
    { name: "websocat", command: ["websocat", ...(has ? ["--protocol", quote(subprotocol)] : []), quote(socket)].join(" ") },
    {
      name: "curl",
      command: ["curl --include --no-buffer --http1.1", "-H 'Connection: Upgrade'", "-H 'Upgrade: websocket'", "-H 'Sec-WebSocket-Version: 13'",
        "-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='", ...(has ? [`-H ${quote(`Sec-WebSocket-Protocol: ${subprotocol}`)}`] : []),
        quote(base + path)].join(" "),
    },
  ];
}

/** Copies a text. Only secure pages and those of localhost have a clipboard; elsewhere the browser copies a selection. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
