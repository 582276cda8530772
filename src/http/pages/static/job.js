// For the page of a job while it runs: progress, items and log as they happen. Without it the page loads itself again now and
// then.
import { formatMinutes, formatSize, numbers, openStream, reloadPage, showState } from "./live.js";

const job = document.getElementById("job");
const bar = document.getElementById("progress");
const live = document.getElementById("live");
const items = document.getElementById("items");
const log = document.querySelector("#log[data-live]");
const words = JSON.parse(job.dataset.words);
const itemWords = items ? JSON.parse(items.dataset.words) : {};

/** Rows of the log that stay on the page. */
const MAX_LOG_ROWS = 1000;
/** What an event says of its item. */
const ITEM_STATES = {
  fileConverted: "succeeded",
  fileExported: "succeeded",
  fileExportedAsOriginal: "succeeded",
  fileFailed: "failed",
  fileSkipped: "skipped",
  fileStopped: "stopped",
};

/** The part of four that a screen reader was told last: not every percent is worth a sentence. */
let told = Math.floor(bar.value / 25);

function showNumber(name, text) {
  const element = job.querySelector(`[data-number="${name}"]`);
  if (element) element.textContent = text;
}

function showProgress({ state, counts, files, bytes, progress }) {
  const done = counts.succeeded + counts.failed + counts.skipped + counts.stopped;
  const values = { done: numbers.format(done), total: numbers.format(counts.total), percent: progress.percent };
  const text = words.progress.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  bar.value = progress.percent;
  bar.setAttribute("aria-valuetext", text);
  document.getElementById("progress-text").textContent = text;
  for (const name of ["total", "succeeded", "failed", "warnings"]) showNumber(name, numbers.format(counts[name]));
  showNumber("files", numbers.format(files));
  showNumber("bytes", formatSize(bytes));
  showNumber("eta", progress.etaSeconds === null ? "–" : formatMinutes(progress.etaSeconds));
  showState(document.getElementById("state"), words.states[state]);
  const part = Math.floor(progress.percent / 25);
  if (part > told) {
    told = part;
    live.textContent = text;
  }
  if (state !== job.dataset.state) {
    // Other buttons: the page as a whole is another one.
    const isFinished = state === "finished";
    const isStarted = job.dataset.state === "queued" && state === "running";
    job.dataset.state = state;
    live.textContent = words.states[state].word;
    if (isFinished) stream.close();
    if (!isStarted) reloadPage();
  }
}

function showEvent({ at, code, position, message }) {
  const row = position === null ? null : document.getElementById(`item-${position}`);
  const state = ITEM_STATES[code];
  if (row && state) showState(row.querySelector("[data-state]"), itemWords[state]);
  if (!log) return;
  const line = log.rows[0].cloneNode(true);
  const time = line.querySelector("time");
  time.dateTime = at;
  time.title = at;
  time.textContent = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "medium" }).format(new Date(at));
  line.cells[1].textContent = message;
  log.prepend(line);
  while (log.rows.length > MAX_LOG_ROWS) log.deleteRow(-1);
}

const stream = openStream(job.dataset.progress, { snapshot: showProgress, progress: showProgress, event: showEvent });
