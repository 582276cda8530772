// For the page of a link while its job runs: progress as it happens. Without it the page loads itself again now and then.
const live = document.getElementById("live");
const bar = document.getElementById("progress");
const text = document.getElementById("progress-text");
const word = document.getElementById("word");
const icon = word.parentElement.querySelector("svg");

/** The part of four that a screen reader was told last: not every percent is worth a sentence. */
let told = Math.floor(bar.value / 25);

/** Loads the page again, later when that may not help at once. */
function reload(delay) {
  setTimeout(() => location.reload(), delay);
}

const stream = new EventSource(live.dataset.progress);
stream.addEventListener("progress", (event) => {
  const progress = JSON.parse(event.data);
  bar.value = progress.percent;
  bar.setAttribute("aria-valuetext", `${progress.percent} % – ${progress.text}`);
  text.textContent = progress.text;
  word.textContent = progress.word;
  icon.setAttribute("class", `icon ${progress.icon}`);
  icon.firstElementChild.setAttribute("d", progress.path);
  const part = Math.floor(progress.percent / 25);
  if (part > told) {
    told = part;
    live.textContent = `${progress.percent} % – ${progress.text}`;
  }
  if (progress.done) {
    stream.close();
    reload(0);
  }
});
stream.addEventListener("error", () => {
  // Closed for good: too many streams are open, or the link has ended. The browser opens other streams again by itself.
  if (stream.readyState === EventSource.CLOSED) reload(15_000);
});
