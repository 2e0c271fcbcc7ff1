// The page: asks for the platform's state every two seconds, shows it, and runs round trips.

import * as api from "./api.js";
import { PlatformMap } from "./map.js";
import { drawDetails, drawTrace, duration, element, milliseconds } from "./trace.js";

const INTERVAL = 2000; // ms
const PLAY = 1800; // ms that a round trip is shown for, however quick it was
const HISTORY = 40; // latencies in the sparkline
const SEVERITY = ["down", "not ready", "draining", "unknown"];
const LABELS = { postgres: "PostgreSQL", nats: "NATS JetStream", qdrant: "Qdrant" };

const $ = (id) => document.getElementById(id);
const details = $("details");
const view = { parts: {}, edges: [], stores: {}, latencies: [], states: {}, run: null, shown: "" };
const map = new PlatformMap($("map"), openDetails);

function openDetails(name) {
  view.shown = name;
  drawDetails(details, name, view.parts[name], view.edges);
  if (!details.open) details.showModal();
}
details.addEventListener("click", (event) => event.target === details && details.close());
details.addEventListener("close", () => {
  const node = map.nodes.get(view.shown);
  view.shown = "";
  node?.group.focus();
});

/** The state of everything, also where the gateway or this host's own process does not answer. */
async function look() {
  let self = null;
  let seen = null;
  let problem = "";
  try {
    self = (await api.readConfig()).self;
  } catch (error) {
    problem = `This page's own host does not answer: ${error.message}`;
  }
  const began = performance.now();
  try {
    seen = await api.platform();
  } catch (error) {
    problem ||= `The gateway cannot be reached: ${error.message}`;
  }
  const latency = performance.now() - began;
  const frontend = view.self || self;
  view.self = self || view.self;
  if (seen) {
    view.parts = seen.parts;
    view.edges = seen.edges;
    view.stores = seen.stores;
    view.where = [seen.environment, seen.namespace].filter(Boolean).join(" · ");
    view.latencies = [...view.latencies, latency].slice(-HISTORY);
    if (seen.last_run && (!view.run || seen.last_run.at > view.run.at)) view.run = seen.last_run;
  } else {
    const cut = (name, report) => (name === "gateway" ? { ...report, state: "down", reasons: [problem] } : { ...report, state: "unknown" });
    const known = { gateway: { part: "gateway" }, ...view.parts };
    view.parts = Object.fromEntries(Object.entries(known).map(([name, report]) => [name, { ...cut(name, report), stores: undefined }]));
    view.edges = view.edges.map((edge) => ({ ...edge, up: null }));
    view.stores = {};
  }
  if (frontend) {
    const name = frontend.part;
    view.parts = { ...view.parts, [name]: self || { ...frontend, state: "down", reasons: [problem] } };
    const own = frontend.calls.map((to) => ({ from: name, to, up: Boolean(seen), latency_ms: latency, error: problem }));
    view.edges = [...view.edges.filter((edge) => edge.from !== name), ...own];
  }
  return { seen, problem, latency };
}

function show({ seen, problem, latency }) {
  const names = Object.keys(view.parts).sort();
  const ready = names.filter((name) => view.parts[name].state === "ready");
  const worst = names.some((name) => view.parts[name].state === "down") ? "down" : ready.length === names.length ? "ready" : "not ready";
  if (names.length) map.update(view.parts, view.edges);
  announce(names);

  $("overall").dataset.state = worst;
  const rank = (name) => SEVERITY.indexOf(view.parts[name].state);
  const others = names.filter((name) => view.parts[name].state !== "ready").sort((a, b) => rank(a) - rank(b));
  const list = others.map((name) => `${name} ${view.parts[name].state}`);
  $("overall-text").textContent = worst === "ready" ? `All ${names.length} parts ready` : list.slice(0, 2).join(", ") + (list.length > 2 ? `, ${list.length - 2} more` : "");
  $("where").textContent = view.where || "connecting";
  $("banner").hidden = !problem;
  $("banner").textContent = problem;

  $("parts-ready").textContent = ready.length;
  $("parts-total").textContent = `of ${names.length}`;
  $("parts-note").textContent = others.length ? others.join(", ") : "all of them";
  const stores = Object.entries(view.stores);
  $("stores-up").textContent = stores.length ? stores.filter(([, store]) => !Object.keys(store.down).length).length : "–";
  $("stores-total").textContent = stores.length ? `of ${stores.length}` : "";
  const lost = stores.filter(([, store]) => Object.keys(store.down).length).map(([name]) => name);
  $("stores-note").textContent = lost.length ? `not for all: ${lost.join(", ")}` : stores.length ? "all answer" : "not known";
  $("api-figure").textContent = seen ? milliseconds(latency) : "–";
  $("api-unit").textContent = seen ? "ms" : "";
  drawSpark();
  drawStores(stores);
  drawRun();
  $("route").textContent = `Live through ${api.route()}`;
  $("updated").textContent = `Updated ${new Date().toLocaleTimeString()}`;
  if (details.open && view.parts[view.shown]) {
    const active = details.contains(document.activeElement);
    drawDetails(details, view.shown, view.parts[view.shown], view.edges);
    if (active) details.querySelector(".close").focus();
  }
}

/** Say what has changed, once, for those who listen instead of look. */
function announce(names) {
  const changed = names.filter((name) => view.states[name] && view.states[name] !== view.parts[name].state);
  if (changed.length) $("live").textContent = changed.map((name) => `${name} is ${view.parts[name].state}`).join(", ");
  view.states = Object.fromEntries(names.map((name) => [name, view.parts[name].state]));
}

function drawSpark() {
  const most = Math.max(20, ...view.latencies);
  const points = view.latencies.map((value, index) => `${((index / (HISTORY - 1)) * 120).toFixed(1)} ${(26 - (value / most) * 24).toFixed(1)}`);
  $("spark").firstElementChild.setAttribute("d", points.length > 1 ? `M${points.join("L")}` : "");
}

function drawStores(stores) {
  const key = JSON.stringify(stores);
  if (key === view.storesKey) return;
  view.storesKey = key;
  const focused = document.activeElement?.dataset?.store;
  const items = stores.map(([name, store]) => {
    const down = Object.keys(store.down);
    const users = [...store.up, ...down];
    const note = down.length
      ? `not for ${down.join(", ")}: ${store.down[down[0]]}`
      : `${users.length} part${users.length === 1 ? "" : "s"} · ${milliseconds(store.latency_ms)} ms at most`;
    const button = element(
      "button",
      { type: "button", data: { state: down.length ? "down" : "ready", store: name } },
      element("span", { className: "dot" }),
      element("span", {}, element("b", { textContent: LABELS[name] || name }), element("span", { className: "muted", textContent: note })),
    );
    for (const type of ["pointerenter", "focus"]) button.addEventListener(type, () => map.bringOut(users));
    for (const type of ["pointerleave", "blur"]) button.addEventListener(type, () => map.bringOut([]));
    return element("li", {}, button);
  });
  $("stores").replaceChildren(...items);
  if (focused) document.querySelector(`[data-store="${CSS.escape(focused)}"]`)?.focus();
}

function drawRun() {
  const run = view.run;
  if (!run) return;
  $("run-figure").textContent = milliseconds(run.duration_ms);
  $("run-unit").textContent = "ms";
  const age = Date.now() / 1000 - run.at;
  const when = age < 5 ? "just now" : `${duration(age)} ago`;
  $("run-note").textContent = `${run.ok ? `${run.hops} hops` : `${run.errors.length} of ${run.hops} failed`}, ${when}`;
}

$("run").addEventListener("click", async () => {
  const button = $("run");
  button.disabled = true;
  button.lastElementChild.textContent = "Running";
  try {
    const run = await api.run("Show me the way through the whole platform, and back.");
    view.run = { ...run, at: Date.now() / 1000, hops: run.hops.length };
    drawRun();
    const summary = `${milliseconds(run.duration_ms)} ms through ${run.parts.length} parts in ${run.hops.length} hops`;
    $("trace-summary").textContent = `${run.ok ? summary : `${run.errors.length} of ${run.hops.length} hops failed: ${run.errors[0]}`} · trace ${run.trace_id.slice(0, 16)}`;
    $("live").textContent = run.ok ? `Round trip done: ${summary}` : "The round trip failed";
    drawTrace($("trace"), run);
    button.lastElementChild.textContent = "Following the hops";
    await map.play(run.hops, PLAY);
  } catch (error) {
    $("trace-summary").textContent = `The round trip did not come back: ${error.message}`;
  } finally {
    button.disabled = false;
    button.lastElementChild.textContent = "Run a round trip";
  }
});

async function live() {
  for (;;) {
    if (!document.hidden) show(await look());
    await new Promise((done) => {
      const timer = setTimeout(done, INTERVAL);
      document.addEventListener("visibilitychange", () => (clearTimeout(timer), done()), { once: true });
    });
  }
}
live();
