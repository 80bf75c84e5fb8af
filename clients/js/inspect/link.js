// The socket of the page.

/** Views are sent at most this often, in milliseconds. */
const PACE = 100;

const FIRST_DELAY = 500;
const LONGEST_DELAY = 10_000;

/** A connection to the server, which is made again when it is lost. */
export class Link {
  /** `on` has functions by the type of an event, and `state`. */
  constructor(url, on) {
    Object.assign(this, { url, on, delay: FIRST_DELAY, view: undefined, timer: undefined, number: 0 });
    this.connect();
  }

  connect() {
    this.on.state("connecting");
    const socket = (this.socket = new WebSocket(this.url));
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "hello") {
        this.delay = FIRST_DELAY;
        this.on.state("open");
      }
      this.on[event.type]?.(event);
      if (event.type === "hello") this.sendView();
    };
    socket.onclose = ({ code, reason }) => {
      this.on.state("closed", code === 1006 ? "" : `${code} ${reason}`.trim());
      setTimeout(() => this.connect(), this.delay * (0.8 + 0.4 * Math.random()));
      this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
    };
  }

  /** Sends a request. Returns false if there is no connection. */
  send(request) {
    const isOpen = this.socket.readyState === WebSocket.OPEN;
    if (isOpen) this.socket.send(JSON.stringify(request));
    return isOpen;
  }

  /** Sets what the server reports from now on. */
  show(view) {
    this.view = view;
    this.timer ??= setTimeout(() => this.sendView(), PACE);
  }

  sendView() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.view && this.send({ type: "view", number: this.number + 1, ...this.view })) this.number += 1;
  }
}
