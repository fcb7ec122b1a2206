// Making elements, and saying numbers and times as people do. All text goes in as text.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== ""));
  return element;
}

// Colour alone would not do: each state has a sign and a word too.
export const STATES = ["critical", "warning", "unknown", "ok"];
const SIGNS = { critical: "✕", warning: "!", unknown: "?", ok: "✓" };

export const sign = (state) =>
  h("span", { class: `sign ${state}`, "aria-hidden": "true" }, SIGNS[state] ?? "?");

export const badge = (state) => h("span", { class: "badge" }, sign(state), state);

// Two hosts' "sda" are two devices: the array tells them apart.
export const deviceLink = ({ source_device: kind, device_id: id, device, array_id: array }) =>
  `#/device/${[kind, id ?? device, array].filter(Boolean).map(encodeURIComponent).join("/")}`;

const trimmed = (value) => {
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
};

function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  let step = 0;
  while (Math.abs(value) >= 1000 && step < units.length - 1) [value, step] = [value / 1000, step + 1];
  return `${trimmed(value)}\u00a0${units[step]}`;
}

// A number never stands on another line than its unit.
export function human(value, unit = "") {
  if (value === null || value === undefined) return "–";
  if (unit === "B") return bytes(value);
  if (unit === "B/s") return `${bytes(value)}/s`;
  if (unit === "h" && value >= 48) return duration(value * 3600);
  return unit ? `${trimmed(value)}\u00a0${unit === "degC" ? "°C" : unit}` : trimmed(value);
}

// A sentence of the reader's, with units and times as this page writes them.
export const said = (text) => text.replaceAll(" degC", " °C")
  .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (time) => clock(time));

export function duration(seconds) {
  const size = Math.max(0, seconds);
  if (size < 60) return `${Math.round(size)} s`;
  if (size < 3600) return `${Math.round(size / 60)} min`;
  if (size < 86400) {
    const [hours, minutes] = [Math.floor(size / 3600), Math.floor((size % 3600) / 60)];
    return minutes && hours < 10 ? `${hours} h ${minutes} min` : `${hours} h`;
  }
  const days = size / 86400;
  return days < 730 ? `${Math.round(days)} d` : `${(days / 365.25).toFixed(1)} years`;
}

export const ago = (time) => (time ? `${duration((Date.now() - Date.parse(time)) / 1000)} ago` : "never");

export const clock = (time) =>
  new Date(time).toLocaleString("en-GB", {
    day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });

export const since = (time) =>
  h("time", { datetime: time, title: new Date(time).toString(), "data-since": time }, ago(time));

export const table = (caption, heads, rows) =>
  h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h("table", {},
      h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)))))));

export const facts = (pairs) =>
  h("dl", { class: "facts" },
    pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

export const empty = (title, ...words) => h("div", { class: "empty" }, h("h2", {}, title), words);

// Replaces the content only where it differs, so that what is selected or focused stays.
export function put(place, ...children) {
  const made = h("div", {}, ...children);
  if (place.innerHTML !== made.innerHTML) place.replaceChildren(...made.childNodes);
}
