// Whether a text fits into its column, in the fonts that this browser has. What does
// not fit is cut, and each box that is cut costs whenever something in it changes.

import { visible } from "./format.js";

const PADDING = 16;
const ICON = 20;
/** For digits of one width, which a canvas does not know. */
const SPARE = 4;

const pen = document.createElement("canvas").getContext("2d");
const rooms = new Map();

/** Takes widths of columns from their headings; one without a width of its own has no room. */
export function measure(columns, headings) {
  const { fontFamily, fontSize } = getComputedStyle(document.body);
  pen.font = `${fontSize} ${fontFamily}`;
  columns.forEach((column, at) => {
    const { flexGrow, width } = getComputedStyle(headings[at]);
    const taken = PADDING + SPARE + (column.hasIcon ? ICON : 0);
    rooms.set(column, flexGrow === "0" ? parseFloat(width) - taken : 0);
  });
}

export const fits = (column, value) => pen.measureText(visible(value)).width <= rooms.get(column);
