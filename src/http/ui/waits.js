// The rockets that wait longest for a missing message.

import { query, readPage } from "./api.js";
import { now } from "./clock.js";
import { byId, el, keyed, setAttribute, setHidden, setText } from "./dom.js";
import { duration, number, plural, visible } from "./format.js";
import { icon } from "./icons.js";
import { touch, view } from "./paint.js";
import { whenChanged } from "./periodic.js";
import * as route from "./route.js";
import { waitLimit } from "./settings.js";

const SHOWN = 20;

let waits = [];
let total = null; // until it is known

export function begin() {
  whenChanged(2000, async () => {
    const page = await readPage(`gaps${query({ limit: SHOWN })}`);
    waits = page.rows;
    total = page.total;
    touch("waits");
  });
  view(["waits", "stats", "settings", "route"], draw);
}

function draw() {
  const time = now();
  keyed(byId("waits"), waits, ({ id }) => id, make, (node, wait) => {
    const waited = time - Date.parse(wait.waiting_since);
    const level = waited > waitLimit() ? "overdue" : "waiting";
    setAttribute(node, "data-level", level);
    setAttribute(node.link, "href", route.href({ rocket: wait.id }));
    setText(node.when, duration(waited));
    setText(node.over, level === "overdue" ? " over the limit" : "");
    const missing = wait.launch_missing ? "its launch" : `message ${number(wait.awaited_message_number)}`;
    setText(node.what, `needs ${missing} · ${number(wait.buffered_messages)} behind it`);
  });
  const rest = total - waits.length;
  setText(byId("waits-count"), rest > 0 ? `the ${waits.length} longest of ${number(total)}` : total ? plural(total, "rocket") : "");
  setHidden(byId("waits-none"), total !== 0);
}

function make({ id }) {
  const link = el("a", { href: "#/", title: visible(id) }, el("bdi", {}, visible(id)));
  const when = el("span", { class: "when" });
  const over = el("span", { class: "unseen" });
  const what = el("span", { class: "what" });
  const node = el("li", {}, icon("waiting"), icon("overdue"), link, el("span", { class: "time" }, when, over), what);
  return Object.assign(node, { link, when, over, what });
}
