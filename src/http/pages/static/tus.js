// Uploads a file in pieces by the tus protocol (https://tus.io), and goes on where it was cut off: after a break of the
// connection, and after the page was loaded again with the same file.
import { writeHeaders } from "./csrf.js";

const PIECE_BYTES = 4 * 1024 * 1024;
const MAX_FAILURES = 30;
const MAX_PAUSE = 15_000;
const TUS = { "Tus-Resumable": "1.0.0" };

/** Answers after which the same request may succeed later. */
const isPassing = (status) => [408, 409, 423, 425, 429, 460].includes(status) || status >= 500;

/** What the service says is wrong with a file. */
export class UploadRefused extends Error {}

function encode(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

// `randomUUID` exists on pages with TLS and on this machine only.
const createKey = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint32Array(4))].join("-");

const sleep = (delay) => new Promise((resolve) => setTimeout(resolve, delay));

/** Waits before another try: longer each time, and until there is a network. */
async function pause(failures, seconds) {
  if (!navigator.onLine) await new Promise((resolve) => addEventListener("online", resolve, { once: true }));
  await sleep(seconds ? seconds * 1000 : Math.min(500 * 2 ** failures, MAX_PAUSE));
}

async function refuse(response) {
  const problem = await response.json().catch(() => null);
  return new UploadRefused(problem?.errors?.[0]?.detail ?? problem?.detail ?? `${response.status}`);
}

/**
 * Uploads a file; resolves to the handle of its asset.
 * @param {{address: string, folder: string, onProgress: (sent: number) => void, onPause: () => void}} options
 */
export async function uploadFile(file, { address, folder, onProgress, onPause }) {
  const memory = `offprint-upload ${address} ${folder} ${file.name} ${file.size} ${file.lastModified}`;
  // The same upload, however often its creation is sent.
  let key = createKey();
  let url = localStorage.getItem(memory);
  let offset = url ? null : 0;
  let failures = 0;

  async function attempt() {
    if (!url) {
      const date = new Date(file.lastModified).toISOString();
      const metadata = [`filename ${encode(file.name)}`, `lastModified ${encode(date)}`];
      if (folder) metadata.push(`folder ${encode(folder)}`);
      const headers = { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": metadata.join(","), "Idempotency-Key": key };
      const response = await fetch(address, { method: "POST", headers: writeHeaders(headers) });
      if (!response.ok) return response;
      url = response.headers.get("Location");
      offset = Number(response.headers.get("Upload-Offset"));
      localStorage.setItem(memory, url);
      return null;
    }
    if (offset === null) {
      const response = await fetch(url, { method: "HEAD", headers: TUS });
      if (response.status === 404 || response.status === 410) {
        url = null;
        key = createKey();
        localStorage.removeItem(memory);
        return null;
      }
      if (!response.ok) return response;
      offset = Number(response.headers.get("Upload-Offset"));
      return response.headers.get("Asset-Handle") ?? null;
    }
    const headers = { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
    const body = file.slice(offset, offset + PIECE_BYTES);
    const response = await fetch(url, { method: "PATCH", headers: writeHeaders(headers), body });
    if (!response.ok) return response;
    offset = Number(response.headers.get("Upload-Offset"));
    return response.headers.get("Asset-Handle") ?? null;
  }

  for (;;) {
    const before = offset;
    const outcome = await attempt().catch(() => new Response(null, { status: 503 }));
    if (typeof outcome === "string") {
      localStorage.removeItem(memory);
      onProgress(file.size);
      return outcome;
    }
    if (outcome === null) {
      if (offset !== null && offset !== before) failures = 0;
      onProgress(offset ?? 0);
      continue;
    }
    failures += 1;
    if (!isPassing(outcome.status) || failures > MAX_FAILURES) throw await refuse(outcome);
    onPause();
    await pause(failures, Number(outcome.headers.get("Retry-After")));
    // What arrived of the last piece is known to the service only.
    if (url) offset = null;
  }
}
