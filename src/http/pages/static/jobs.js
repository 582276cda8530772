// For the list of jobs: progress as it happens, word of newer jobs, a pause of both, and a box that selects all.
import { openStream, showState } from "./live.js";

const PAUSED = "offprint-updates-paused";
const table = document.getElementById("jobs");
const live = document.getElementById("live");
const pause = document.getElementById("pause-updates");
let stream = null;

function showProgress(progress) {
  const row = document.getElementById(`job-${progress.job}`);
  if (!row) return;
  const state = row.querySelector("[data-state]");
  const before = state.textContent.trim();
  showState(state, progress);
  row.querySelector("[data-numbers]").textContent = progress.numbers;
  const bar = row.querySelector("progress");
  if (bar && progress.percent === null) bar.remove();
  if (bar && progress.percent !== null) {
    bar.value = progress.percent;
    bar.setAttribute("aria-valuetext", `${progress.percent} % – ${progress.numbers}`);
  }
  if (before !== progress.word) live.textContent = `${row.querySelector("th").textContent.trim()}: ${progress.word}`;
}

function showNewer() {
  const note = document.getElementById("newer");
  if (note.hidden) live.textContent = note.textContent.trim();
  note.hidden = false;
}

function follow(isPaused) {
  stream?.close();
  stream = isPaused ? null : openStream(table.dataset.progress, { progress: showProgress, newer: showNewer });
  pause.setAttribute("aria-pressed", String(isPaused));
}

if (table?.dataset.progress) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const isPaused = stream !== null;
    sessionStorage.setItem(PAUSED, isPaused ? "1" : "");
    follow(isPaused);
  });
  follow(sessionStorage.getItem(PAUSED) === "1");
}

const all = document.getElementById("select-all");
if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of document.querySelectorAll('input[name="job"]')) box.checked = all.checked;
  });
}
