// Draws the list of symbols and the chart of one of them on canvases. A frame draws what is visible and has changed.

const ROW = 64;        // height of a cell, px
const COLUMN = 320;    // least width of a cell, px
const STAR = 40;       // width of the star's part of a cell, px
const MAX_RATIO = 3;   // canvas pixels for a pixel of the page
const MONO = 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace';
const SANS = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';

const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
export const price = cents => money.format(cents / 100);
/** The change since the opening, as "+1.25 %". */
export const change = ({ cents, open }) => {
  const percent = (cents / open - 1) * 100;
  return `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(2)} %`;
};

/** The colours of the style sheet, in the current colour scheme. */
const colors = {};
function readColors() {
  const probe = document.body.appendChild(document.createElement("i"));
  for (const name of ["card", "sunken", "line", "text", "quiet", "accent", "good", "bad", "warm"]) {
    probe.style.color = `var(--${name})`;
    colors[name] = getComputedStyle(probe).color;
  }
  probe.remove();
}

/** A canvas with the size of its element, in pixels of the device. */
class Surface {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = this.height = 0;
  }

  /** Adjusts the canvas to its element. Returns whether it is empty now. */
  resize(width = this.canvas.clientWidth, height = this.canvas.clientHeight) {
    const ratio = Math.min(devicePixelRatio, MAX_RATIO);
    if (width === this.width && height === this.height && ratio === this.ratio) return false;
    Object.assign(this, { width, height, ratio });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.context.scale(ratio, ratio);
    return true;
  }
}

/** Returns a text that fits into a width, with an ellipsis if it is too long. */
function shortened(context, text, width) {
  const fits = text => context.measureText(text).width <= width;
  if (fits(text)) return text;
  let end = text.length - 1;
  while (end > 1 && !fits(`${text.slice(0, end).trim()}…`)) end--;
  return `${text.slice(0, end).trim()}…`;
}

/** Draws the prices of the last minute into a rectangle. `isFilled`: with the area below the line. */
function line(context, stock, x, y, width, height, isFilled) {
  const points = [...stock.recent, stock.cents];
  const low = Math.min(...points), range = Math.max(...points) - low || 1;
  const step = width / (points.length - 1);
  const at = (point, index) => [x + index * step, y + height - (point - low) / range * height];
  context.beginPath();
  points.forEach((point, index) => context.lineTo(...at(point, index)));
  const color = stock.cents < stock.open ? colors.bad : colors.good;
  context.strokeStyle = color;
  context.lineJoin = "round";
  context.lineWidth = isFilled ? 2 : 1.5;
  context.stroke();
  if (!isFilled) return;
  context.lineTo(x + width, y + height);
  context.lineTo(x, y + height);
  const fill = context.createLinearGradient(0, y, 0, y + height);
  fill.addColorStop(0, color);
  fill.addColorStop(1, "transparent");
  context.globalAlpha = .22;
  context.fillStyle = fill;
  context.fill();
  context.globalAlpha = 1;
  context.beginPath();
  context.arc(...at(stock.cents, points.length - 1), 3.5, 0, 7);
  context.fillStyle = color;
  context.fill();
}

/** The list. `onChoose` and `onWatch` are called with a stock. */
export class List {
  #stocks = [];
  #isDirty = true;
  #top = -1;

  constructor(element, { onChoose, onWatch }) {
    this.element = element;
    this.surface = new Surface(element.querySelector("canvas"));
    this.space = element.querySelector("div");
    this.chosen = null;
    this.surface.canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      const width = this.surface.width / this.columns;
      const column = Math.floor(offsetX / width);
      const stock = this.#stocks[Math.floor((offsetY + element.scrollTop) / ROW) * this.columns + column];
      if (stock) (offsetX - column * width < STAR ? onWatch : onChoose)(stock);
    });
    element.addEventListener("keydown", event => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
      if (event.key === " " && this.chosen) onWatch(this.chosen);
      else if (!step) return;
      const next = this.#stocks[this.#stocks.indexOf(this.chosen) + (step ?? 0)];
      if (step && next) onChoose(next);
      event.preventDefault();
    });
    readColors();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      readColors();
      this.invalidate();
    });
  }

  get columns() {
    return Math.max(1, Math.floor(this.surface.width / COLUMN));
  }

  get stocks() {
    return this.#stocks;
  }

  set stocks(stocks) {
    this.#stocks = stocks;
    this.invalidate();
  }

  /** Draws all visible cells in the next frame. */
  invalidate() {
    this.#isDirty = true;
  }

  /** Chooses a stock, and scrolls to it. */
  choose(stock) {
    for (const each of [this.chosen, stock]) if (each) each.isDirty = true;
    this.chosen = stock;
    const top = Math.floor(this.#stocks.indexOf(stock) / this.columns) * ROW;
    if (top < 0) return;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.element.scrollTop = top + ROW - clientHeight;
  }

  /** Draws a frame. */
  draw() {
    const { element, surface } = this;
    const { clientWidth, clientHeight } = element;
    if (surface.resize(clientWidth, clientHeight)) {
      surface.canvas.style.height = `${clientHeight}px`;
      this.invalidate();
    }
    const columns = this.columns;
    if (this.#isDirty) {
      const height = Math.ceil(this.#stocks.length / columns) * ROW;
      this.space.style.height = `${Math.max(0, height - clientHeight)}px`;
    }
    const top = element.scrollTop;
    const all = this.#isDirty || top !== this.#top;
    if (all) surface.context.clearRect(0, 0, surface.width, surface.height);
    const first = Math.floor(top / ROW) * columns;
    const end = Math.min(this.#stocks.length, Math.ceil((top + clientHeight) / ROW) * columns);
    for (let index = first; index < end; index++) {
      const stock = this.#stocks[index];
      if (!all && !stock.isDirty) continue;
      const width = surface.width / columns;
      this.#cell(stock, (index % columns) * width, Math.floor(index / columns) * ROW - top, width);
    }
    this.#isDirty = false;
    this.#top = top;
  }

  #cell(stock, x, y, width) {
    const { context } = this.surface;
    stock.isDirty = false;
    context.fillStyle = stock === this.chosen ? colors.sunken : colors.card;
    context.fillRect(x, y, width, ROW);
    context.fillStyle = colors.line;
    context.fillRect(x, y + ROW - 1, width, 1);
    if (x > 0) context.fillRect(x, y, 1, ROW);
    if (stock === this.chosen) {
      context.fillStyle = colors.accent;
      context.fillRect(x, y, 3, ROW - 1);
    }
    context.textBaseline = "alphabetic";
    const text = (text, x, y, font, color, align = "left", width) => {
      context.font = font;
      context.fillStyle = color;
      context.textAlign = align;
      context.fillText(text, x, y, width);
    };
    text(stock.isWatched ? "★" : "☆", x + 22, y + 37, `16px ${SANS}`, stock.isWatched ? colors.warm : colors.quiet, "center");
    const left = x + STAR, right = x + width - 16;
    text(stock.symbol, left, y + 28, `600 15px ${SANS}`, colors.text);
    const names = Math.max(80, width * .3);
    context.font = `12px ${SANS}`;
    text(shortened(context, stock.name, names), left, y + 46, context.font, colors.quiet);
    if (!stock.recent) return;
    // The digits that have changed have a colour.
    const digits = price(stock.cents);
    if (stock.drawn?.cents !== stock.cents) {
      const { digits: before = "", cents = stock.cents } = stock.drawn ?? {};
      const isSame = (digit, index) => before.length === digits.length && before[index] === digit;
      const from = [...digits].findIndex((digit, index) => !isSame(digit, index));
      stock.drawn = { digits, cents: stock.cents, from, color: stock.cents > cents ? "good" : stock.cents < cents ? "bad" : "text" };
    }
    const { from, color } = stock.drawn;
    const font = `600 15px ${MONO}`;
    text(digits.slice(from), right, y + 28, font, colors[color], "right");
    text(digits.slice(0, from), right - context.measureText(digits.slice(from)).width, y + 28, font, colors.text, "right");
    text(change(stock), right, y + 46, `12px ${MONO}`, stock.cents < stock.open ? colors.bad : colors.good, "right");
    const start = left + names + 10, room = right - 82 - start;
    if (room > 24) line(context, stock, start, y + 18, room, ROW - 36, false);
  }
}

/** The chart of one stock. */
export class Chart {
  constructor(canvas) {
    this.surface = new Surface(canvas);
  }

  /** Draws the chart of a stock. */
  draw(stock) {
    this.surface.resize();
    const { context, width, height } = this.surface;
    context.clearRect(0, 0, width, height);
    if (!stock?.recent) return;
    context.strokeStyle = colors.line;
    context.lineWidth = 1;
    context.setLineDash([3, 4]);
    for (const part of [.1, .5, .9]) {
      const y = Math.round(height * part) + .5;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.stroke();
    }
    context.setLineDash([]);
    line(context, stock, 0, height * .1, width - 5, height * .8, true);
  }
}
