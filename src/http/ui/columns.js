// The table's columns: their names, by what they sort, and what a cell says of a
// rocket. Pure but for the icons. Does not own rows (`table`).

import { el, setAttribute, setText } from "./dom.js";
import { ago, moment, near, NOTHING, number, visible } from "./format.js";
import { icon } from "./icons.js";

/**
 * `show` writes a cell whose value has changed; `tell` says what is in it, by which a
 * change is seen; `explain` says more to who points at it. A numeric column is set to
 * the right, and one that `hasIcon` has less room for its text.
 */
export const COLUMNS = [
  { sort: "id", label: "Rocket", tell: (row) => row.rocket.id },
  { sort: "status", label: "Status", hasIcon: true, tell: (row) => row.rocket.status, show: showStatus },
  { sort: "mission", label: "Mission", tell: (row) => row.rocket.mission, show: showText },
  { sort: "speed", label: "Speed", isNumeric: true, tell: (row) => number(row.rocket.speed) },
  {
    sort: "last_message_number",
    label: "Message",
    title: "Every message up to this number has been applied",
    isNumeric: true,
    tell: (row) => number(row.rocket.last_message_number),
  },
  {
    sort: "buffered_messages",
    label: "Waiting",
    hasIcon: true,
    title: "Messages that wait for an earlier one",
    isNumeric: true,
    tell: (row) => row.rocket.buffered_messages,
    show: showWaiting,
  },
  {
    sort: "last_update_time",
    label: "Updated",
    hasIcon: true,
    isClock: true,
    tell: tellUpdated,
    show: showUpdated,
    explain: (row) => moment(Date.parse(row.rocket.last_update_time)),
  },
  { sort: "rocket_type", label: "Type", tell: (row) => row.rocket.rocket_type, show: showText },
  { sort: "launch_time", label: "Launch time", tell: tellLaunched, isClock: true },
  { sort: "explosion_reason", label: "Reason", tell: (row) => row.rocket.explosion_reason ?? NOTHING, show: showText },
];

function showText(cell, text) {
  const inner = cell.firstElementChild ?? cell.appendChild(el("bdi"));
  setText(inner, visible(text));
  setAttribute(cell, "title", text === NOTHING ? null : visible(text));
}

function showStatus(cell, status) {
  const name = el("span", { class: "name" }, status);
  cell.replaceChildren(icon(status === "Exploded" ? "exploded" : "launched"), name);
}

function showWaiting(cell, count) {
  if (count === 0) cell.replaceChildren(el("span", { class: "none" }, "0"));
  else cell.replaceChildren(icon("waiting"), number(count));
}

function tellLaunched(row, now) {
  return near(Date.parse(row.rocket.launch_time), now);
}

function tellUpdated(row, now) {
  const time = Date.parse(row.rocket.last_update_time);
  return row.isStale ? `silent since ${near(time, now)}` : ago(time, now);
}

function showUpdated(cell, text, row) {
  if (row.isStale) cell.replaceChildren(icon("stale"), text);
  else setText(cell, text);
}
