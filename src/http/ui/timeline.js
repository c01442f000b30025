// The recent past of the panel's rocket, as a list: what each message changed.

import { byId, el, keyed, setText } from "./dom.js";
import { moment, near, number, visible } from "./format.js";
import { now } from "./clock.js";
import { icon } from "./icons.js";

const SHOWN = 100;

/** Shows those of the entries that are within these bounds, the latest first. */
export function draw(entries, { start, end }) {
  const inside = entries.filter(({ time }) => Date.parse(time) >= start && Date.parse(time) <= end);
  const shown = inside.toReversed().slice(0, SHOWN);
  keyed(byId("timeline"), shown, (entry) => `${entry.message_number} ${entry.time}`, make, (node, { time }) => {
    setText(node.when, near(Date.parse(time), now()));
  });
  return inside.length;
}

function make(entry) {
  const when = el("time", { title: moment(Date.parse(entry.time)) });
  const node = el("li", { class: entry.change }, when, el("span", { class: "at" }, `#${number(entry.message_number)}`), sentence(entry));
  return Object.assign(node, { when });
}

const name = (text) => el("bdi", {}, visible(text));

function sentence({ change, from, to, speed }) {
  if (change === "speed") return el("span", {}, `speed ${number(from)} → ${number(to)}`);
  if (change === "mission") return el("span", {}, "mission ", name(from), " → ", name(to));
  if (change === "exploded") return el("span", {}, icon("exploded"), "exploded: ", name(to));
  if (change === "launched") return el("span", {}, icon("launched"), `launched at speed ${number(speed)}`);
  return el("span", {}, "made no sense, and changed nothing");
}
