// What was reported, newest first.

import { ask } from "./api.js";
import { clock, deviceLink, empty, h, put, said as told, table } from "./dom.js";

export const SECONDS = 10;
export const WANTS = ["critical_event"];
const SPANS = [[60, "1 h"], [1440, "24 h"], [10080, "7 d"], [129600, "90 d"]];

export function choice(label, options, value, onChange) {
  const buttons = options.map(([key, words]) =>
    h("button", {
      type: "button", "aria-pressed": String(key === value),
      onclick: (event) => {
        for (const each of event.target.parentNode.children) each.setAttribute("aria-pressed", String(each === event.target));
        onChange(key);
      },
    }, words));
  return h("div", { class: "choice", role: "group", "aria-label": label }, buttons);
}

export function create(root, _args, refresh) {
  const look = { minutes: 1440, least: 1, text: "" };
  const list = h("section", { class: "stacked", "aria-label": "Events" });
  const said = h("p", { class: "sub", role: "status" });
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search events" });
  let last = null;
  search.addEventListener("input", () => { look.text = search.value.trim().toLowerCase(); if (last) update(last); });
  root.append(h("div", { class: "head" }, h("h1", {}, "Events"), search),
    h("div", { class: "tools" },
      choice("How far back", SPANS, look.minutes, (minutes) => { look.minutes = minutes; refresh(); }),
      choice("Criticality", [[1, "All"], [5, "5 and more"], [8, "Critical (8+)"]], look.least,
        (least) => { look.least = least; refresh(); })),
    said, list);

  const load = () => ask("alerts_critical",
    { since_minutes: look.minutes, min_criticality: look.least, limit: 500 });

  function update(answer) {
    last = answer;
    const rows = answer.data.filter((event) => !look.text || JSON.stringify(event).toLowerCase().includes(look.text));
    said.textContent = answer.truncated ? `The newest ${answer.data.length}; there are more.` : `${rows.length} events`;
    put(list, rows.length
      ? table("Events, newest first", ["When", "Criticality", "Device", "What"], rows.map(row))
      : empty("No events here", h("p", {}, "Nothing was reported in this time that fits.")));
  }
  return { load, update };
}

const row = (event) => [
  h("time", { datetime: event.time }, clock(event.time)),
  h("span", { class: `level ${event.criticality >= 8 ? "critical" : event.criticality >= 5 ? "warning" : "unknown"}` },
    String(event.criticality)),
  h("span", { class: "who" }, h("a", { href: deviceLink(event) }, h("bdi", {}, event.device_id)),
    event.simulated ? h("span", { class: "sub" }, " simulated") : ""),
  h("span", {}, h("strong", {}, words(event.event_type)), event.event_message ? ` – ${told(event.event_message)}` : ""),
];

export const words = (name) => name.replace(/([a-z])([A-Z])/g, (_all, a, b) => `${a} ${b.toLowerCase()}`);
