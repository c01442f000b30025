// The fleet's table: one page of rockets, columns that sort, and what leads to other
// pages. Does not own the rows (`rows`) nor what cells say (`columns`).

import { now } from "./clock.js";
import { COLUMNS } from "./columns.js";
import { byId, el, keyed, setAttribute, setHidden, setText } from "./dom.js";
import { number, visible } from "./format.js";
import { paint, view } from "./paint.js";
import { fits, measure } from "./room.js";
import * as route from "./route.js";
import { count, judge, PAGE, shown } from "./rows.js";

/** For so long a value that has changed stands out. */
const STANDS_OUT = 600;

const cells = new WeakMap();
let standing = [];
let second = 0;
let unseen = 0;

/** How often rows out of sight are written. */
const UNSEEN = 5000;

/** Tells which rows are in sight. */
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) target.isInSight = isIntersecting;
  paint("sight");
});

export function begin() {
  byId("columns").append(...COLUMNS.map(heading));
  measure(COLUMNS, byId("columns").children);
  window.addEventListener("resize", () => {
    measure(COLUMNS, byId("columns").children);
    for (const node of byId("rows").children) {
      const { parts, said } = cells.get(node);
      COLUMNS.forEach((column, at) => at > 0 && cut(parts[at], column, said[at]));
    }
  });
  byId("previous").addEventListener("click", route.previousPage);
  byId("next").addEventListener("click", () => shown.next && route.nextPage(shown.next));
  byId("rows").addEventListener("click", (event) => {
    // The whole row is a large target for its link, but for who marks text.
    const row = event.target.closest("tr");
    if (!row || route.isForBrowser(event) || event.target.closest("a") || String(getSelection()) !== "") return;
    route.go({ rocket: row.rocketId });
  });
  view(["rows", "route", "settings", "connection", "stats", "sight", "tick"], draw);
}

function heading(column) {
  const button = el("button", { type: "button", title: column.title ?? null, onclick: () => sortBy(column) });
  button.append(column.label, el("span", { class: "direction", "aria-hidden": "true" }));
  return el("th", { role: "columnheader", scope: "col", class: classOf(column), "data-sort": column.sort }, button);
}

const classOf = (column) => `col-${column.sort}${column.isNumeric ? " numeric" : ""}`;

function sortBy({ sort, isNumeric }) {
  const now = route.current();
  // What is numeric is asked for from the top.
  const first = isNumeric ? "desc" : "asc";
  const other = now.order === "asc" ? "desc" : "asc";
  route.list({ sort, order: now.sort === sort ? other : first });
}

function draw(topics) {
  const time = now();
  const isNew = ["rows", "route", "settings", "sight"].some((topic) => topics.has(topic));
  const isNextSecond = Math.floor(time / 1000) !== second;
  settle();
  if (isNew || isNextSecond) {
    second = Math.floor(time / 1000);
    const isAll = Math.abs(time - unseen) >= UNSEEN;
    if (isAll) unseen = time;
    for (const row of shown.rows) judge(row);
    keyed(byId("rows"), shown.rows, (row) => row.rocket.id, make, (node, row, index) => {
      place(node, row, index);
      if (isAll || node.isInSight !== false) fill(node, row, time);
    });
  }
  if (isNew || topics.has("stats") || topics.has("connection")) frame();
}

function make(row) {
  const { id } = row.rocket;
  const link = el("a", { href: route.href({ rocket: id }), title: visible(id) }, el("bdi", {}, visible(id)));
  const parts = COLUMNS.map((column, index) =>
    index === 0
      ? el("th", { role: "rowheader", scope: "row", class: classOf(column) }, link)
      : el("td", { role: "cell", class: classOf(column), onpointerenter: (event) => explain(event.target, column) }),
  );
  const node = el("tr", { role: "row" }, ...parts);
  node.rocketId = id;
  cells.set(node, { parts, link, said: [] });
  sight.observe(node);
  return node;
}

function explain(cell, column) {
  if (column.explain) setAttribute(cell, "title", column.explain(cells.get(cell.parentNode).row));
}

function fill(node, row, time) {
  const { parts, said } = cells.get(node);
  COLUMNS.forEach((column, at) => {
    if (at === 0) return;
    const value = column.tell(row, time);
    if (value === said[at]) return;
    const isFirst = said[at] === undefined;
    said[at] = value;
    const cell = parts[at];
    if (column.show) column.show(cell, value, row);
    else setText(cell, value);
    cut(cell, column, value);
    if (!isFirst && !column.isClock && node.isInSight !== false) standOut(cell);
  });
}

const cut = (cell, column, value) => cell.classList.toggle("long", !fits(column, value));

/** What a row says of its place, and where it leads, which seldom changes. */
function place(node, row, index) {
  const its = cells.get(node);
  its.row = row;
  const { isStale, rocket } = row;
  const shown = route.current();
  if (its.route === shown && its.index === index && its.isStale === isStale) return;
  Object.assign(its, { route: shown, index, isStale });
  const isOpen = shown.rocket === rocket.id;
  setAttribute(node, "aria-rowindex", (Number(shown.page) - 1) * PAGE + index + 2);
  setAttribute(node, "class", [isStale && "stale", isOpen && "open"].filter(Boolean).join(" ") || null);
  setAttribute(its.link, "aria-current", isOpen ? "true" : null);
  setAttribute(its.link, "href", route.href({ rocket: rocket.id }));
}

function standOut(cell) {
  cell.classList.add("changed");
  standing.push({ cell, until: Date.now() + STANDS_OUT });
}

function settle() {
  const time = Date.now();
  const over = standing.filter(({ until }) => until <= time);
  if (over.length === 0) return;
  standing = standing.filter(({ until }) => until > time);
  const again = new Set(standing.map(({ cell }) => cell));
  for (const { cell } of over) if (!again.has(cell)) cell.classList.remove("changed");
}

/** Everything about the table but its rows. */
function frame() {
  const { sort, order, page } = route.current();
  for (const node of byId("columns").children) {
    const direction = order === "asc" ? "ascending" : "descending";
    setAttribute(node, "aria-sort", node.dataset.sort === sort ? direction : null);
  }
  const total = count();
  const first = (Number(page) - 1) * PAGE + 1;
  const last = first + shown.rows.length - 1;
  const isEmpty = total === 0 && !route.hasConditions() && !shown.isLoading;
  setAttribute(byId("table"), "aria-rowcount", total === null ? -1 : total + 1);
  setAttribute(byId("table"), "aria-busy", shown.isLoading ? "true" : "false");
  setHidden(byId("listing"), isEmpty);
  setHidden(byId("filters"), isEmpty);
  setHidden(byId("pager"), isEmpty);
  setHidden(byId("empty"), !isEmpty);
  setText(byId("range"), shown.error ? "" : range(first, last, total));
  able(byId("next"), shown.next !== null, byId("previous"), Number(page) > 1);
  const note = noteOf();
  setText(byId("listing-note"), note);
  setHidden(byId("listing-note"), note === "");
}

/** A button that cannot be pressed any longer leaves the focus to the other one. */
function able(next, hasNext, previous, hasPrevious) {
  const focused = document.activeElement;
  next.disabled = !hasNext;
  previous.disabled = !hasPrevious;
  if (focused === next && !hasNext && hasPrevious) previous.focus();
  if (focused === previous && !hasPrevious && hasNext) next.focus();
}

function range(first, last, total) {
  if (total === null || total === 0) return "";
  if (shown.rows.length === 0) return `none of ${number(total)}`;
  return `${number(first)}–${number(last)} of ${number(total)}`;
}

function noteOf() {
  if (shown.error) return `This listing cannot be shown: ${shown.error}`;
  if (shown.isLoading) return shown.rows.length === 0 ? "Asking for the fleet…" : "";
  return shown.rows.length === 0 ? "No rocket meets these conditions." : "";
}

/** Brings the focus to a rocket's row, if it is there. */
export function focusRow(id) {
  const row = [...byId("rows").children].find((node) => node.rocketId === id);
  (row ? cells.get(row).link : byId("search")).focus();
  paint("rows");
}
