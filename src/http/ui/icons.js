// A shape for each state, so that no colour stands alone for one.

import { svg } from "./dom.js";

const SHAPES = {
  // Goes up.
  launched: "M8 2 14 14 8 11 2 14Z",
  // In pieces.
  exploded: "M3 3 13 13M13 3 3 13M8 1V4M8 12V15M1 8H4M12 8H15",
  // Behind one that is missing.
  waiting: "M8 2 14 8 8 14 2 8Z",
  // The same for too long.
  overdue: "M8 1.5 15 14H1ZM8 6.5V9.5M8 11.5V11.6",
  // Nothing comes.
  stale: "M8 3A5 5 0 1 0 8 13A5 5 0 1 0 8 3M5.5 8H10.5",
};

export function icon(name) {
  const drawing = svg("svg", { class: `icon ${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" });
  drawing.append(svg("path", { d: SHAPES[name] }));
  return drawing;
}
