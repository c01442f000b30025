// Questions to the service: where it is, the token, errors. Paths are relative to the
// page, so that they hold behind a proxy with a prefix. Does not own the form that
// asks for a token (`token`).

import { parse } from "./json.js";

const KEPT = "downlink.token";

/** What the service, or the way to it, said instead of an answer. */
export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? `the service answered ${status}`);
    this.status = status;
    this.type = problem.type ?? "";
    this.retryAfter = retryAfter;
  }

  get isAboutTokens() {
    return this.status === 401 || this.type === "/problems/token-of-the-other-side";
  }
}

let token = kept();
const askers = [];

function kept() {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    // Storage may be forbidden: then it is asked for again after a reload.
    return "";
  }
}

export const hasToken = () => token !== "";

export function useToken(given) {
  token = given;
  try {
    if (given) sessionStorage.setItem(KEPT, given);
    else sessionStorage.removeItem(KEPT);
  } catch {
    // As above.
  }
}

/** Calls `asker` with the refusal whenever a token is needed. */
export function onTokenNeeded(asker) {
  askers.push(asker);
}

/** The answer, if it is a success. */
export async function ask(path, { signal, accept = "application/json", maxAge = null } = {}) {
  const headers = { Accept: accept };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (maxAge !== null) headers["Cache-Control"] = `max-age=${maxAge}`;
  const answer = await fetch(path, { signal, headers, credentials: "omit" });
  if (answer.ok) return answer;
  const refusal = await refusalOf(answer);
  if (refusal.isAboutTokens) for (const asker of askers) asker(refusal);
  throw refusal;
}

async function refusalOf(answer) {
  let problem = {};
  try {
    problem = await answer.json();
  } catch {
    // A proxy's page, or nothing: the status says it.
  }
  const seconds = Number(answer.headers.get("retry-after"));
  return new Refusal(answer.status, problem, Number.isFinite(seconds) ? seconds * 1000 : 0);
}

export async function read(path, options) {
  const answer = await ask(path, options);
  return parse(await answer.text());
}

/** A page of a listing: its rows, how many there are in all, and the next cursor. */
export async function readPage(path, options) {
  const answer = await ask(path, options);
  const total = answer.headers.get("x-total-count");
  const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(answer.headers.get("link") ?? "");
  const next = link && new URL(link[1], "http://relative/").searchParams.get("cursor");
  const rows = parse(await answer.text());
  return { rows, total: total === null ? rows.length : Number(total), next };
}

/** A query string of what is neither null nor empty. */
export function query(parameters) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== "") given.append(name, one);
  }
  const text = given.toString();
  return text && `?${text}`;
}
