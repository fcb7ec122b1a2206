// One metric over time: the mean as a line, least to most as a band, limits, anomalies, events.

import { h, human } from "./dom.js";

const HEIGHT = 160;
const open = new Set(); // charts, drawn anew when the theme changes

// Canvas needs colours, not variables: an element tells what a variable means now.
const probe = document.body.appendChild(h("span", { hidden: true }));
const colour = (name) => {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
};

const stamp = (seconds) => new Date(seconds * 1000).toLocaleString("en-GB",
  { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// Hours where the ticks are close, else days.
const short = (tick, ticks) => new Date(tick * 1000).toLocaleString("en-GB", ticks[1] - ticks[0] < 43200
  ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" });

export function chart(place, { title, unit }) {
  const value = h("span", { class: "value" });
  const said = h("p", { class: "sub" });
  const box = h("div", { class: "plot", role: "img" });
  place.append(h("h3", {}, title, value), said, box);
  let plot = null;
  let kept = null;

  function show(steps, marks) {
    kept = [steps, marks];
    const told = steps.filter((step) => step[1] !== null);
    const last = told.at(-1);
    value.textContent = last ? human(last[1], unit) : "";
    box.setAttribute("aria-label", last
      ? `${title}: latest ${human(last[1], unit)}, least ${human(Math.min(...told.map((s) => s[2])), unit)}, `
        + `most ${human(Math.max(...told.map((s) => s[3])), unit)}` : `${title}: no readings`);
    const columns = [0, 1, 2, 3].map((column) => steps.map((step) => step[column]));
    said.textContent = (marks.limits ?? []).map(({ words }) => words).join(", ");
    draw(columns, { limits: [], anomalies: [], events: [], ...marks });
  }

  function draw(columns, marks) {
    plot?.destroy();
    const [line, faint, text] = [colour("accent"), colour("band"), colour("muted")];
    const axis = { stroke: text, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    plot = new uPlot({
      width: box.clientWidth || 300, height: HEIGHT, legend: { show: false },
      cursor: { sync: { key: "charts" }, y: false, drag: { x: false } },
      scales: { y: { range: (_u, low, high) => roomy(low, high, marks.limits) },
        x: marks.from ? { range: [marks.from, marks.to] } : {} },
      axes: [{ ...axis, size: 22, values: (_u, ticks) => ticks.map((tick) => short(tick, ticks)) }, { ...axis, size: 62,
        values: (_u, ticks) => ticks.map((tick) => human(tick, unit)) }],
      series: [{}, { stroke: line, width: 1.5, spanGaps: false },
        { stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } }],
      bands: [{ series: [3, 2], fill: faint }],
      hooks: { draw: [(u) => marked(u, marks)], setCursor: [(u) => pointed(u)] },
    }, columns, box);
  }

  function pointed(u) {
    const at = u.cursor.idx;
    const mean = at === null ? null : u.data[1][at];
    if (mean === null || mean === undefined) {
      const last = kept[0].findLast((step) => step[1] !== null);
      value.textContent = last ? human(last[1], unit) : "";
      return;
    }
    const [low, high] = [u.data[2][at], u.data[3][at]];
    value.textContent = `${stamp(u.data[0][at])} · ${human(mean, unit)}`
      + (low !== high ? ` (${human(low, unit)} to ${human(high, unit)})` : "");
  }

  const redraw = () => kept && show(...kept);
  const sized = new ResizeObserver(() => plot && plot.setSize({ width: box.clientWidth, height: HEIGHT }));
  sized.observe(box);
  open.add(redraw);
  return { show, close: () => { plot?.destroy(); sized.disconnect(); open.delete(redraw); } };
}

addEventListener("theme", () => open.forEach((redraw) => redraw()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => open.forEach((redraw) => redraw()));

// A limit is shown when the readings come anywhere near it; far away it would flatten the line.
function roomy(low, high, limits) {
  if (low === null || high === null || (low === 0 && high === 0)) return [0, 1];
  const room = Math.max((high - low) * 0.15, Math.abs(high) * 0.02, 1e-6);
  for (const { at } of limits) {
    if (Math.abs(at - high) < Math.max(1.5 * (high - low), Math.abs(at) * 0.2)) high = Math.max(high, at + (at - low) * 0.15);
  }
  return [low - room < 0 && low >= 0 ? 0 : low - room, high + room];
}

function marked(u, { limits, anomalies, events }) {
  const { ctx, bbox } = u;
  const dot = devicePixelRatio;
  const x = (time) => u.valToPos(time, "x", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = colour("mark");
  for (const { from, to } of anomalies) ctx.fillRect(x(from), bbox.top, Math.max(3 * dot, x(to) - x(from)), bbox.height);
  ctx.setLineDash([5 * dot, 4 * dot]);
  for (const { at, state, words } of limits) {
    const y = u.valToPos(at, "y", true);
    ctx.strokeStyle = ctx.fillStyle = colour(`${state}-line`);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    [ctx.textAlign, ctx.textBaseline] = ["left", "bottom"];
    ctx.font = `${11 * dot}px system-ui`;
    ctx.fillText(words, bbox.left + 4 * dot, y - 2 * dot);
  }
  ctx.setLineDash([]);
  const [bad, plain] = [colour("critical-line"), colour("muted")];
  let before = -Infinity;
  for (const { time, critical } of events.toSorted((a, b) => b.critical - a.critical || a.time - b.time)) {
    const at = x(time);
    if (Math.abs(at - before) < 8 * dot) continue; // a burst is one flag
    before = at;
    ctx.fillStyle = critical ? bad : plain;
    ctx.fillRect(at, bbox.top, dot, critical ? bbox.height : 10 * dot);
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at + 6 * dot, bbox.top + 3 * dot);
    ctx.lineTo(at, bbox.top + 6 * dot);
    ctx.fill();
  }
  ctx.restore();
}
