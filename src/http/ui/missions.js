// Missions as bars: how many rockets, how many of these exploded, how fast. A mission
// is a link to its rockets in the table.

import { read } from "./api.js";
import { byId, el, keyed, setAttribute, setHidden, setText, svg } from "./dom.js";
import { number, plural, visible } from "./format.js";
import { offerMissions } from "./filters.js";
import { touch, view } from "./paint.js";
import { whenChanged } from "./periodic.js";
import * as route from "./route.js";

let missions = [];
let rest = null;

export function begin() {
  whenChanged(2000, async () => {
    ({ missions, rest } = await read("missions?detail=true"));
    offerMissions(missions.map(({ mission }) => mission));
    touch("missions");
  });
  view(["missions", "route"], draw);
}

const same = (one, other) => one.toLowerCase() === other.toLowerCase();

function draw() {
  const largest = missions[0]?.rockets ?? 1;
  const chosen = route.current().mission;
  keyed(byId("missions"), missions, ({ mission }) => mission, make, (node, it) => {
    const isChosen = same(chosen, it.mission);
    setAttribute(node.link, "href", route.href({ mission: isChosen ? "" : it.mission, cursor: "", page: "1" }));
    setAttribute(node.link, "aria-current", isChosen ? "true" : null);
    setText(node.count, number(it.rockets));
    setAttribute(node.all, "width", share(it.rockets, largest));
    setAttribute(node.exploded, "width", share(it.exploded, largest));
    setText(node.speed, describe(it));
  });
  const summary = rest === null ? "" : `and ${plural(rest.missions, "more mission")} with ${plural(rest.rockets, "rocket")}`;
  setText(byId("missions-rest"), summary);
  setHidden(byId("missions-rest"), rest === null);
  setText(byId("missions-count"), missions.length === 0 ? "" : plural(missions.length + (rest?.missions ?? 0), "mission"));
  setHidden(byId("missions-none"), missions.length > 0);
}

/** Something is seen of what is not nothing. */
const share = (count, largest) => (count === 0 ? 0 : Math.max(0.6, (count / largest) * 100));

function describe({ exploded, speed }) {
  const lost = exploded === 0 ? "" : `${number(exploded)} exploded · `;
  return `${lost}mean speed ${number(Math.round(Number(speed?.mean ?? 0)))}`;
}

function make({ mission }) {
  const all = svg("rect", { class: "all", height: 6, rx: 1 });
  const exploded = svg("rect", { class: "lost", height: 6, rx: 1 });
  const bar = svg("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" });
  bar.append(all, exploded);
  const name = el("bdi", { class: "name" }, visible(mission));
  const count = el("span", { class: "count" });
  const speed = el("span", { class: "what" });
  const link = el("a", { href: "#/", title: visible(mission) }, name, count, bar, speed);
  return Object.assign(el("li", {}, link), { link, count, all, exploded, speed });
}
