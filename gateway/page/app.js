// Which view is shown, how it is kept fresh, and what is said when something is away.

import { Away, health, listen } from "./api.js";
import { ago, duration } from "./dom.js";
import * as device from "./device.js";
import * as events from "./events.js";
import * as fleet from "./fleet.js";
import * as parking from "./parking.js";
import * as pipeline from "./pipeline.js";

const VIEWS = { fleet, device, events, parking, pipeline };
const SOON = 300; // milliseconds that changes are gathered
const THEMES = ["auto", "light", "dark"];

const main = document.getElementById("main");
const trouble = document.getElementById("trouble");
let shown = null; // {view, update, load, at, failed}
let due = null; // the timer of the next refresh

function parsed() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return [VIEWS[name] ? name : "fleet", rest];
}

function open() {
  if (location.hash === "#main") return main.focus();
  const [name, args] = parsed();
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.hash === `#/${name === "device" ? "fleet" : name}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  shown?.close?.();
  main.replaceChildren();
  const view = VIEWS[name];
  document.title = `${args[1] ?? name[0].toUpperCase() + name.slice(1)} – Spindle`;
  shown = { seconds: view.SECONDS, wants: view.WANTS, at: null, failed: "", ...view.create(main, args, refresh) };
  scrollTo(0, 0);
  refresh();
}

async function refresh() {
  clearTimeout(due);
  const mine = shown;
  try {
    const data = await mine.load();
    if (mine !== shown) return;
    mine.update(data);
    [mine.at, mine.failed] = [Date.now(), ""];
    age();
  } catch (error) {
    if (mine !== shown) return;
    if (!(error instanceof Away)) console.error(error);
    mine.failed = error.message;
  }
  await tell();
  if (mine === shown) {
    clearTimeout(due);
    due = setTimeout(refresh, (mine.failed ? 2 : mine.seconds) * 1000);
  }
}

async function tell() {
  const parts = await health().catch(() => ({ gateway: "the gateway does not answer" }));
  const away = Object.entries(parts).filter(([, state]) => state !== "ok");
  const words = away.map(([part, state]) => `${part}: ${state}`);
  if (!away.length && shown.failed) words.push(shown.failed);
  trouble.dataset.words = words.join(" · ");
  age();
}

// Once a second: how old the picture is, and every "3 min ago".
function age() {
  const words = trouble.dataset.words ?? "";
  trouble.hidden = !words;
  main.classList.toggle("stale", Boolean(words) && Boolean(shown?.failed));
  if (words) {
    const old = shown?.at && shown.failed ? ` The picture is ${duration((Date.now() - shown.at) / 1000)} old.` : "";
    const text = `Away – ${words}${/[.!]$/.test(words) ? "" : "."}${old}`;
    if (trouble.textContent !== text) trouble.textContent = text;
  }
  for (const time of document.querySelectorAll("time[data-since]")) {
    const text = ago(time.dataset.since);
    if (time.textContent !== text) time.textContent = text;
  }
}

function theme(next) {
  const now = next ?? localStorage.getItem("theme") ?? "auto";
  localStorage.setItem("theme", now);
  document.documentElement.dataset.theme = now;
  const button = document.getElementById("theme");
  button.textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[now];
  button.setAttribute("aria-label", `Theme: ${now}; press for the next`);
  dispatchEvent(new Event("theme"));
}

document.getElementById("theme").addEventListener("click", () =>
  theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]));
addEventListener("hashchange", open);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(age, 1000);
theme();
open();
listen(
  (kind) => {
    if (!shown.wants.includes(kind)) return;
    clearTimeout(due);
    due = setTimeout(refresh, SOON);
  },
  (up) => { document.getElementById("live").textContent = up ? "live" : "not live; asking every few seconds"; },
);
document.getElementById("zone").textContent = `times: ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
