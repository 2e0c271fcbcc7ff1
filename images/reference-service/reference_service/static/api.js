// The way to the gateway: through the edge's API host, or through this page's own host where that one does not answer.

const PRIMARY_AGAIN = 30_000; // ms until the API host is tried again after it failed

let config = { api_url: "", self: null };
let sameOriginUntil = 0;
let token = "";

const ownHost = (path) => `/api${path}`;

/** What the frontend's own process says of itself and where the API is. Rejects where this host is gone. */
export async function readConfig() {
  const response = await fetch("/config.json", { signal: AbortSignal.timeout(4000), cache: "no-store" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  config = await response.json();
  return config;
}

/** Which host the last answer came through, for people. */
export function route() {
  return config.api_url && Date.now() >= sameOriginUntil ? new URL(config.api_url, location.href).host : "this host";
}

async function ask(path, options, milliseconds) {
  const send = (url) => fetch(url, { ...options, signal: AbortSignal.timeout(milliseconds) });
  if (config.api_url && Date.now() >= sameOriginUntil) {
    try {
      const response = await send(config.api_url + path);
      // What an edge says for itself (no backend, unknown host) is no answer of the gateway.
      if ((response.headers.get("content-type") || "").includes("json")) return response;
    } catch {
      // unreachable, refused by CORS, or not in time: this host may do better
    }
    sameOriginUntil = Date.now() + PRIMARY_AGAIN;
  }
  return send(ownHost(path));
}

async function json(response) {
  const body = await response.json().catch(() => null);
  if (body === null) throw new Error(`HTTP ${response.status}`);
  return body;
}

/** The map and its state. */
export async function platform() {
  const response = await ask("/platform", { cache: "no-store" }, 4000);
  const body = await json(response);
  if (!response.ok) throw new Error(body.error?.message || `HTTP ${response.status}`);
  return body;
}

/** A round trip; its trace also where a hop failed. */
export async function run(prompt) {
  const post = () =>
    ask(
      "/run",
      {
        method: "POST",
        headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify({ prompt }),
      },
      15_000,
    );
  let response = await post();
  if (response.status === 401) {
    token = (await json(await ask("/session", { method: "POST" }, 4000))).token;
    response = await post();
  }
  const body = await json(response);
  if (!body.hops) throw new Error(body.error?.message || `HTTP ${response.status}`);
  return body;
}
