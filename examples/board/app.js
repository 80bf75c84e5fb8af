// The page of the board: a login, subscriptions with the client that the contract of the server generates, and one
// loop that draws.
import { Board, DisconnectedError } from "/board.js";
import { Chart, List, change, price } from "/draw.js";

const element = id => document.getElementById(id);
const show = (id, text) => {
  if (element(id).textContent !== text) element(id).textContent = text;
};
const chosenValue = name => document.querySelector(`[name=${name}]:checked`).value;
const PROBLEMS = { 4401: "You did not log in in time.", 4403: "Three wrong passwords. Try again." };

/** All symbols by their names, each with its price if it is known. */
const stocks = new Map();
const watched = new Set(JSON.parse(localStorage.getItem("watched") ?? "[]"));
/** The symbols that the server sends prices of. */
const subscribed = new Set();
let board = null;
let received = 0;
let isChosenDirty = true;

const list = new List(element("list"), { onChoose: choose, onWatch: watch });
const chart = new Chart(element("chart"));

/** Connects, and logs in. An earlier connection ends when this one is ready. */
async function open(user, password) {
  const next = board && !board.isMember ? board : await connect(user, password);
  board ??= next;
  const { listings } = await next.login(user, password);
  next.isMember = true;
  if (board !== next) board.close();
  board = next;
  welcome(listings);
  await subscribe(true);
}

async function connect(user, password) {
  const next = await Board.connect("/", { pace: chosenValue("pace") });
  const isCurrent = () => next === board;
  next.on("price", ({ symbol, cents }) => {
    received++;
    update(stocks.get(symbol), cents);
  });
  // A new handler of the server knows nothing: log in and subscribe again.
  next.onReset(async () => {
    if (!next.isMember || !isCurrent()) return;
    const { listings } = await next.login(user, password);
    welcome(listings);
    await subscribe(true);
  });
  next.onResumed(() => isCurrent() && setStatus("open", "Connected"));
  next.onReconnecting(({ delay }) => isCurrent() && setStatus("connecting", `Reconnecting in ${Math.ceil(delay / 1000)} s …`));
  next.closed.then(({ code }) => {
    if (!isCurrent()) return;
    board = null;
    leave(code === 1000 ? "" : PROBLEMS[code] ?? `The connection has ended (${code}).`);
  });
  return next;
}

function update(stock, cents) {
  if (!stock?.recent || stock.cents === cents) return;
  Object.assign(stock, { cents, isDirty: true });
  if (stock === list.chosen) isChosenDirty = true;
}

/** Subscribes to the symbols of the filter, and to no others. `isAnew`: the server knows of no subscription. */
async function subscribe(isAnew = false) {
  if (isAnew) subscribed.clear();
  const wanted = new Set(chosenValue("filter") === "all" ? stocks.keys() : watched);
  if (list.chosen) wanted.add(list.chosen.symbol);
  const added = [...wanted].filter(symbol => stocks.has(symbol) && !subscribed.has(symbol));
  const removed = [...subscribed].filter(symbol => !wanted.has(symbol));
  added.forEach(symbol => subscribed.add(symbol));
  removed.forEach(symbol => subscribed.delete(symbol));
  try {
    const [quotes] = await Promise.all([
      added.length ? board.subscribe(added) : [],
      removed.length ? board.unsubscribe(removed) : undefined,
    ]);
    for (const quote of quotes) Object.assign(stocks.get(quote.symbol), quote, { isDirty: true });
    isChosenDirty = true;
  } catch (error) {
    // After a loss, the hook of `onReset` subscribes again.
    if (!(error instanceof DisconnectedError)) throw error;
  }
}

function setStatus(state, text) {
  element("status").dataset.state = state;
  show("status", text);
}

/** Shows the board. */
function welcome(listings) {
  for (const { symbol, name } of listings) {
    if (!stocks.has(symbol)) stocks.set(symbol, { symbol, name, isWatched: watched.has(symbol) });
  }
  setStatus("open", "Connected");
  document.body.classList.add("member");
  element("login").hidden = true;
  document.querySelector("main").hidden = false;
  show("all", String(stocks.size));
  if (!list.chosen) choose(stocks.values().next().value);
  filter();
}

/** Shows the form. */
function leave(problem) {
  document.body.classList.remove("member");
  element("login").hidden = false;
  document.querySelector("main").hidden = true;
  show("problem", problem);
}

/** Lists the symbols that fit the search and the filter. */
function filter() {
  const text = element("search").value.trim().toLowerCase();
  const isAll = chosenValue("filter") === "all";
  const fits = ({ symbol, name, isWatched }) =>
    (isAll || isWatched) && (symbol.toLowerCase().startsWith(text) || name.toLowerCase().includes(text));
  list.stocks = [...stocks.values()].filter(fits);
  show("watched", String(watched.size));
  element("empty").hidden = list.stocks.length > 0;
  show("empty", text ? `Nothing is named “${text}”.` : "Choose symbols with their stars.");
}

function choose(stock) {
  list.choose(stock);
  isChosenDirty = true;
  show("symbol", stock.symbol);
  show("name", stock.name);
  element("watch").ariaPressed = String(stock.isWatched);
  show("watch", stock.isWatched ? "Watched" : "Watch");
  if (!subscribed.has(stock.symbol) && board?.isMember) subscribe();
}

function watch(stock) {
  stock.isWatched = !stock.isWatched;
  stock.isDirty = true;
  if (stock.isWatched) watched.add(stock.symbol);
  else watched.delete(stock.symbol);
  localStorage.setItem("watched", JSON.stringify([...watched]));
  if (stock === list.chosen) choose(stock);
  filter();
  subscribe();
}

/** Shows the chosen stock. */
function drawChosen() {
  const stock = list.chosen;
  chart.draw(stock);
  if (!stock?.recent) return;
  show("price", price(stock.cents));
  show("change", change(stock));
  element("change").className = stock.cents < stock.open ? "down" : "up";
  const prices = [...stock.recent, stock.cents];
  show("open", price(stock.open));
  show("low", price(Math.min(...prices)));
  show("high", price(Math.max(...prices)));
}

let lastSecond = 0, lastReceived = 0;
requestAnimationFrame(function frame(now) {
  requestAnimationFrame(frame);
  if (now - lastSecond >= 1000) {
    const rate = Math.round((received - lastReceived) / (now - lastSecond) * 1000);
    show("rate", rate.toLocaleString("en-US"));
    [lastSecond, lastReceived] = [now, received];
    for (const symbol of subscribed) {
      const { recent, cents } = stocks.get(symbol);
      if (recent) recent.push(cents), recent.shift();
      stocks.get(symbol).isDirty = true;
    }
    isChosenDirty = true;
  }
  if (document.querySelector("main").hidden) return;
  list.draw();
  if (isChosenDirty) drawChosen();
  isChosenDirty = false;
});

element("login").addEventListener("submit", async event => {
  event.preventDefault();
  element("enter").disabled = true;
  show("problem", "");
  try {
    await open(element("user").value, element("password").value);
  } catch (error) {
    if (Board.isError("login", error) && error.code === -32001) {
      show("problem", `Wrong password. ${error.data === 1 ? "One attempt is" : `${error.data} attempts are`} left.`);
    } else if (!(error instanceof DisconnectedError)) {
      show("problem", error.message);
    }
  }
  element("enter").disabled = false;
});
element("pace").addEventListener("change", () => {
  // Another connection, because the pace is a parameter of the address.
  open(element("user").value, element("password").value).catch(console.warn);
});
// A page in the background draws nothing. The prices of that time are in the answer.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && board?.isMember) subscribe(true);
});
element("filter").addEventListener("change", () => (filter(), subscribe()));
element("search").addEventListener("input", () => (filter(), (element("list").scrollTop = 0)));
element("search").addEventListener("keydown", ({ key, target }) => {
  if (key === "Enter" && target.value && list.stocks[0]) choose(list.stocks[0]);
});
element("watch").addEventListener("click", () => watch(list.chosen));
element("logout").addEventListener("click", async () => {
  element("password").value = "";
  await board.close();
});
