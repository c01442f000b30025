// Numbers, times and names as people read them. Pure: what time it is comes from
// the caller.

const NUMBER = new Intl.NumberFormat("en");
const RATE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

/** What turns writing round, or is not seen: it would let a name look like another. */
const INVISIBLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

export const NOTHING = "–";

export const number = (value) => (value === null || value === undefined ? NOTHING : NUMBER.format(value));

export const compact = (value) => COMPACT.format(value);

/** Messages a second: with a digit behind the point only where it says something. */
export function rate(value) {
  if (value === null || value === undefined) return NOTHING;
  return value >= 100 ? NUMBER.format(Math.round(value)) : RATE.format(value);
}

export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return days === 1 ? "1 day" : `${NUMBER.format(days)} days`;
}

/** How long ago; the day, of what is longer ago than a week. */
export function ago(time, now) {
  const passed = now - time;
  if (passed < 1000) return "now";
  return passed < 7 * 86_400_000 ? `${duration(passed)} ago` : DAY.format(time);
}

export const clock = (time) => CLOCK.format(time);

export const moment = (time) => (Number.isFinite(time) ? MOMENT.format(time) : NOTHING);

/** The time of day, with the day where that is another one. */
export function near(time, now) {
  const sameDay = new Date(time).toDateString() === new Date(now).toDateString();
  return sameDay ? clock(time) : moment(time);
}

/** A text with everything in it to be seen: `a\u{202E}b`. */
export function visible(text) {
  return String(text).replace(
    INVISIBLE,
    (it) => `\\u{${it.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}}`,
  );
}

/** The same for JSON, which it still is: `"a\u202eb"`. Its lines stay lines. */
export function visibleJson(json) {
  const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return json.replace(INVISIBLE, (it) => (it === "\n" ? it : it.split("").map(escape).join("")));
}

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
