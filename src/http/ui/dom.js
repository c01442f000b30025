// Elements and their texts. Text is always text: nothing here makes markup of it.
// Nothing is written that stands there already, so a paint costs what changed.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element with attributes (`onclick` and the like are listeners) and children. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for parts of a drawing. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else setAttribute(node, name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function setText(node, text) {
  const shown = String(text);
  const only = node.firstChild;
  // What is there is changed: to take it out and put another in costs the browser more.
  if (only?.nodeType === Node.TEXT_NODE && only === node.lastChild) {
    if (only.data !== shown) only.data = shown;
  } else if (node.textContent !== shown) node.textContent = shown;
}

/** `null` and `false` take the attribute away, `true` sets it without a value. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const shown = value === true ? "" : String(value);
  if (node.getAttribute(name) !== shown) node.setAttribute(name, shown);
}

/** Also the same value would have the styles looked at again. */
export function setHidden(node, isHidden) {
  if (node.hidden !== isHidden) node.hidden = isHidden;
}

/**
 * Has `parent` show one element for each item, in their order. Elements stay those
 * of their key, so the focus and what is selected stay too.
 */
export function keyed(parent, items, key, make, update) {
  const known = parent.keyedElements ?? new Map();
  const next = new Map();
  let place = parent.firstElementChild;
  items.forEach((item, index) => {
    const name = key(item);
    const node = known.get(name) ?? make(item);
    known.delete(name);
    next.set(name, node);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    update(node, item, index);
  });
  for (const node of known.values()) node.remove();
  parent.keyedElements = next;
}
