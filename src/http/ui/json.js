// JSON with all digits of its integers: speeds and numbers of messages have 64 bits,
// and JavaScript's numbers 53.

const LONG = /\d{16}/;
const INTEGER = /^-?\d+$/;

/** What is no safe integer is a `BigInt`, where the browser shows how it was written. */
export function parse(text) {
  return LONG.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_, value, context) {
  const isCut = typeof value === "number" && !Number.isSafeInteger(value);
  const source = context?.source;
  return isCut && source !== undefined && INTEGER.test(source) ? BigInt(source) : value;
}

/** An object as text, a field a line. */
export function pretty(object) {
  const line = ([name, value]) => `  ${JSON.stringify(name)}: ${shown(value)}`;
  return `{\n${Object.entries(object).map(line).join(",\n")}\n}`;
}

const shown = (value) => (typeof value === "bigint" ? String(value) : JSON.stringify(value));
