// The client on the page of the examples: connects, sends, and logs what happens.
import { SessionSocket } from "/ws-core.js";

const MAX_LINES = 500;
// The handlers of these examples have no session: a new connection is one to a new handler.
const TRANSPORTS = ["plain"];
const element = id => document.getElementById(id);
const values = id => element(id).dataset.values.split("\n").filter(value => value);

let socket = null;
let opened = 0;

function log(kind, text) {
  const list = element("log");
  const atEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 40;
  const line = document.createElement("li");
  line.className = kind;
  const time = document.createElement("time");
  time.textContent = `${((performance.now() - opened) / 1000).toFixed(1)} s`;
  line.append(Object.assign(document.createElement("span"), { textContent: text }), time);
  list.append(line);
  if (list.childElementCount > MAX_LINES) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function setState(state) {
  element("status").dataset.state = state;
  element("status").textContent = { connecting: "connecting", open: "connected", closed: "closed" }[state];
  element("toggle").textContent = state === "closed" ? "Connect" : "Close";
  for (const control of document.querySelectorAll("#send button, #messages button")) control.disabled = state !== "open";
}

function describe(data) {
  if (typeof data !== "string") return `${data.byteLength.toLocaleString("en")} bytes`;
  return data.length > 2000 ? `${data.slice(0, 2000)}… (${data.length.toLocaleString("en")} characters)` : data;
}

function connect() {
  disconnect();
  opened = performance.now();
  setState("connecting");
  let current;
  try {
    current = new SessionSocket(element("url").value, [], { transports: TRANSPORTS });
  } catch (error) {
    log("error", error.message);
    return setState("closed");
  }
  current.binaryType = "arraybuffer";
  let wasOpen = false;
  current.onopen = () => {
    wasOpen = true;
    setState("open");
    const compressed = current.extensions ? `, ${current.extensions.split(";")[0]}` : "";
    log("note", `connected to ${current.url}${compressed}`);
  };
  current.onreconnecting = ({ delay }) => {
    // A handshake that was refused would be refused again.
    if (!wasOpen) return current.close();
    setState("connecting");
    log("note", `the connection is lost; the next attempt is in ${(delay / 1000).toFixed(1)} s`);
  };
  current.onreset = () => {
    setState("open");
    log("note", "connected again, to a new handler");
  };
  current.onmessage = ({ data }) => log("received", describe(data));
  current.onclose = ({ code, reason }) => {
    setState("closed");
    if (wasOpen) log("note", `closed: ${code} ${reason}`);
    else log("error", "The server refused the handshake, or is not there. Browsers hide the status from scripts: it is in the network tab of the developer tools.");
  };
  socket = current;
}

function disconnect() {
  if (!socket) return;
  socket.onopen = socket.onmessage = socket.onclose = socket.onreconnecting = socket.onreset = null;
  if (socket.readyState < SessionSocket.CLOSING) {
    socket.close(1000);
    log("note", "closed by this page: 1000");
  }
  socket = null;
  setState("closed");
}

function send(message) {
  if (socket?.readyState !== SessionSocket.OPEN) return;
  const bytes = message.match(/^bytes:(\d+)$/);
  const data = bytes ? new Uint8Array(Number(bytes[1])).buffer : message;
  socket.send(data);
  log("sent", describe(data));
}

function chip(parent, label, action) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
  button.onclick = action;
  parent.append(button);
}

const address = path => {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
};

const targets = values("targets");
element("url").value = address(targets[0]);
if (targets.length > 1) {
  for (const target of targets) {
    chip(element("targets"), target, () => {
      element("url").value = address(target);
      connect();
    });
  }
}
for (const message of values("messages")) {
  const bytes = message.match(/^bytes:(\d+)$/);
  chip(element("messages"), bytes ? `${Number(bytes[1]).toLocaleString("en")} bytes` : message, () => send(message));
}
element("connect").onsubmit = event => {
  event.preventDefault();
  if (element("status").dataset.state === "closed") connect();
  else disconnect();
};
element("send").onsubmit = event => {
  event.preventDefault();
  const input = element("text");
  if (!input.value) return;
  send(input.value);
  input.value = "";
};

// Colours for the handler's source: comments, strings, attributes and keywords.
const TOKENS = /(\/\/[^\n]*)|("(?:\\.|[^"\\])*")|(#\[(?:[^[\]]|\[[^\]]*\])*\])|\b(async|await|const|else|enum|fn|for|if|impl|let|match|mut|pub|return|self|Self|static|struct|use|where)\b/g;
element("source").innerHTML = element("source").innerHTML.replace(TOKENS, (all, comment, string, attribute, keyword) => {
  const kind = comment ? "c" : string ? "s" : attribute ? "a" : "k";
  return `<span class="${kind}">${all}</span>`;
});

connect();
