// Numbers and times as texts.

const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** Returns a number of bytes with three digits: `1.23 MB`. */
export function bytes(count) {
  let unit = 0;
  while (count >= 1000 && unit < UNITS.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${unit === 0 || count >= 100 ? Math.round(count) : count.toPrecision(3)} ${UNITS[unit]}`;
}

/** Returns bytes per second; a dash for none, so that the eye finds those with traffic. */
export const rate = (count) => (count === 0 ? "–" : `${bytes(count)}/s`);

/** Returns a time in seconds with its two largest units: `2 h 05 min`. */
export function age(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
  if (hours < 24) return `${hours} h ${two(minutes % 60)} min`;
  return `${days} d ${two(hours % 24)} h`;
}

/** Returns a number with separators of thousands. */
export const count = (number) => number.toLocaleString("en");

/** Returns the name of a Rust type without modules: `chat::Room<alloc::string::String>` is `Room<String>`. */
export const shortType = (name) => name.replace(/[\w#]+::/g, "");

/** Returns the time of the day with milliseconds. */
export function clock(milliseconds) {
  const date = new Date(milliseconds), part = (number, digits = 2) => String(number).padStart(digits, "0");
  return `${part(date.getHours())}:${part(date.getMinutes())}:${part(date.getSeconds())}.${part(date.getMilliseconds(), 3)}`;
}
