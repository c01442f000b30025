// Whether a text fits into its column, in the fonts that this browser has. What does
// not fit is cut, and each box that is cut costs whenever something in it changes.

import { visible } from "./format.js";

const PADDING = 16;
const ICON = 20;
/** For digits of one width, which a canvas does not know. */
const SPARE = 4;

/** Most widths that are remembered: the same words come again and again. */
const KEPT = 500;

const NUMBER = /^[\d,]*$/;

const pen = document.createElement("canvas").getContext("2d");
const rooms = new Map();
let known = new Map();
let digit = 0;

/** Takes widths of columns from their headings; one without a width of its own has no room. */
export function measure(columns, headings) {
  const { fontFamily, fontSize } = getComputedStyle(document.body);
  pen.font = `${fontSize} ${fontFamily}`;
  known = new Map();
  digit = pen.measureText("0").width;
  columns.forEach((column, at) => {
    const { flexGrow, width } = getComputedStyle(headings[at]);
    const taken = PADDING + SPARE + (column.hasIcon ? ICON : 0);
    rooms.set(column, flexGrow === "0" ? parseFloat(width) - taken : 0);
  });
}

export const fits = (column, value) => widthOf(visible(value)) <= rooms.get(column);

/** Numbers are always new, and are taken for as wide as if all in them were digits. */
function widthOf(text) {
  if (NUMBER.test(text)) return text.length * digit;
  let width = known.get(text);
  if (width === undefined) {
    if (known.size === KEPT) known.clear();
    width = pen.measureText(text).width;
    known.set(text, width);
  }
  return width;
}
