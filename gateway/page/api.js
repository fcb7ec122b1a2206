// What is asked of the gateway: the reader's questions, its own health, and what happens now.

const url = (path) => new URL(path, document.baseURI);
const dialog = () => document.getElementById("token");
let asking = null; // the token dialog while it is open

export class Away extends Error {}

const headers = () => {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
};

function wantToken() {
  asking ??= new Promise((resolve) => {
    dialog().addEventListener("close", () => {
      sessionStorage.setItem("token", new FormData(dialog().querySelector("form")).get("token"));
      dialog().querySelector("form").reset();
      asking = null;
      resolve();
    }, { once: true });
    document.getElementById("wrong").hidden = !sessionStorage.getItem("token");
    dialog().showModal();
  });
  return asking;
}

async function get(path, options = {}) {
  let reply;
  try {
    reply = await fetch(url(path), { ...options, headers: { ...options.headers, ...headers() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Away("The gateway does not answer.");
  }
  if (reply.status !== 401) return reply;
  await wantToken();
  return get(path, options);
}

async function answered(reply) {
  const body = await reply.json().catch(() => ({}));
  if (reply.ok && body.status === "success") return body;
  throw new Away(body.message ?? `The gateway answered ${reply.status}.`);
}

export async function ask(question, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== "");
  return answered(await get(`api/v1/${question}?${new URLSearchParams(given)}`));
}

// What changes something is a POST with JSON, which another site's page cannot send.
export async function post(path, given) {
  const asJson = { "Content-Type": "application/json" };
  return answered(await get(path, { method: "POST", headers: asJson, body: JSON.stringify(given) }));
}

export const change = (question, params) => post("api/v1/query", { query_type: question, params });

export async function health() {
  const reply = await get("healthz");
  return (await reply.json()).parts;
}

let known = null;
export async function knows(question) {
  known ??= get("openapi.json").then((reply) => reply.json()).then((doc) => JSON.stringify(doc.paths));
  return (await known).includes(`"/api/v1/${question}"`);
}

const files = {};
const file = (name) => (files[name] ??= fetch(new URL(name, import.meta.url)).then((reply) => reply.json()));
export const catalogue = () => file("catalogue.json");
export const advice = () => file("advice.json");

// EventSource cannot send a token; and a hidden tab should not hold one of the browser's six
// connections to a host.
export async function listen(onEvent, onState) {
  for (;;) {
    if (document.hidden) await new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }));
    const stop = new AbortController();
    const hide = () => document.hidden && stop.abort();
    document.addEventListener("visibilitychange", hide);
    try {
      await followed(await get("api/v1/stream", { signal: stop.signal }), onEvent, onState);
    } catch (error) {
      if (error.name !== "AbortError") onState(false);
    }
    document.removeEventListener("visibilitychange", hide);
    await new Promise((go) => setTimeout(go, 3000));
  }
}

async function followed(reply, onEvent, onState) {
  if (!reply.ok) throw new Away("no stream");
  onState(true);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return onState(false);
    const frames = (waiting + value).split("\n\n");
    waiting = frames.pop();
    for (const frame of frames) {
      const fields = Object.fromEntries(frame.split("\n").map((line) => line.split(/: (.*)/s)));
      if (fields.event) onEvent(fields.event, JSON.parse(fields.data));
    }
  }
}
