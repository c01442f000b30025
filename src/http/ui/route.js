// What is shown, as the address has it: `#/rockets/{id}?sort=speed&…`. So a view can
// be sent to somebody, and the browser's own buttons work. The cursors of the pages
// before this one are kept with the entry of the browser's history.

const DEFAULTS = {
  sort: "launch_time",
  order: "asc",
  id_prefix: "",
  mission: "",
  rocket_type: "",
  status: "",
  waiting: "",
  cursor: "",
  page: "1",
};

/** What makes another listing, whose first page is another one. */
const FIRST_PAGE = { cursor: "", page: "1" };

/** Most cursors that are kept; before that, "back" leads to the first page. */
const MOST_CURSORS = 200;

const listeners = [];
let route = parse(location.hash);

export const current = () => route;

export function onRoute(listener) {
  listeners.push(listener);
}

export function begin() {
  window.addEventListener("popstate", () => {
    const before = route;
    route = parse(location.hash);
    tell(before);
  });
  document.addEventListener("click", follow);
}

/** Whether a click asks for another tab or window, or for what the browser has for it. */
export const isForBrowser = (event) =>
  event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;

/** Follows a link of the page's own, which by itself would lose the pages before. */
function follow(event) {
  const link = event.target.closest?.('a[href^="#/"]');
  if (!link || isForBrowser(event) || event.defaultPrevented) return;
  event.preventDefault();
  const wanted = parse(link.hash);
  if (JSON.stringify(listing(wanted)) === JSON.stringify(listing())) go(wanted);
  else go(wanted, { stack: [] });
}

function tell(before) {
  for (const listener of listeners) listener(route, before);
}

function parse(hash) {
  const [path, parameters = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const given = new URLSearchParams(parameters);
  const found = { ...DEFAULTS, rocket: null };
  for (const name of Object.keys(DEFAULTS)) found[name] = given.get(name) ?? DEFAULTS[name];
  const rocket = /^rockets\/(.+)$/s.exec(path);
  try {
    found.rocket = rocket && decodeURIComponent(rocket[1]);
  } catch {
    // No text of ours: the fleet, then.
  }
  // Without a cursor it is the first page, whatever the address says.
  if (found.cursor === "" || !/^[1-9]\d{0,8}$/.test(found.page)) found.page = DEFAULTS.page;
  return found;
}

/** The address of what is shown with these changes. */
export function href(changes) {
  const wanted = { ...route, ...changes };
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(DEFAULTS)) if (wanted[name] !== value) given.set(name, wanted[name]);
  const text = given.toString();
  const path = wanted.rocket === null ? "" : `rockets/${encodeURIComponent(wanted.rocket)}`;
  return `#/${path}${text && `?${text}`}`;
}

const cursors = () => (Array.isArray(history.state?.cursors) ? history.state.cursors : []);

/** Shows something else; in place of the entry of the history, if that is told. */
export function go(changes, { replace = false, stack = cursors() } = {}) {
  const address = href(changes);
  const before = route;
  const state = { cursors: stack.slice(-MOST_CURSORS) };
  if (replace || address === location.hash) history.replaceState(state, "", address);
  else history.pushState(state, "", address);
  route = parse(location.hash);
  tell(before);
}

/** Another listing: other conditions or another order, from the first page on. */
export const list = (changes, options = {}) => go({ ...FIRST_PAGE, ...changes }, { ...options, stack: [] });

export function nextPage(cursor) {
  const stack = [...cursors(), route.cursor];
  go({ cursor, page: String(Number(route.page) + 1) }, { stack });
}

export function previousPage() {
  const stack = cursors();
  const cursor = stack.at(-1);
  if (cursor === undefined) return go(FIRST_PAGE, { stack: [] });
  go({ cursor, page: String(Number(route.page) - 1) }, { stack: stack.slice(0, -1) });
}

/** The conditions and the order of the listing, as the service takes them. */
export function listing({ sort, order, id_prefix, mission, rocket_type, status, waiting, cursor } = route) {
  return { sort, order, id_prefix, mission, rocket_type, status, waiting, cursor };
}

export const hasConditions = ({ id_prefix, mission, rocket_type, status, waiting } = route) =>
  [id_prefix, mission, rocket_type, status, waiting].some((value) => value !== "");
