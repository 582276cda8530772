// What the live pages of the console share: a stream that can be paused, and loading the page again without losing one's place.

const FOCUS = "offprint-focus";
/** How long a message stays at least, in ms: a short job ends, and loads its page again, before anybody has read it. */
const READING_TIME = 10_000;
const { lang } = document.documentElement;

/** A number as the language of the page writes it. */
export const numbers = new Intl.NumberFormat(lang);

/** Shows the icon and the word of a state. */
export function showState(element, { word, icon, path }) {
  const svg = element.querySelector("svg");
  svg.setAttribute("class", `icon ${icon}`);
  svg.firstElementChild.setAttribute("d", path);
  svg.nextElementSibling.textContent = word;
}

/** A size in decimal units, with one digit behind the point below ten. */
export function formatSize(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
  let [value, unit] = [bytes, 0];
  while (unit + 1 < units.length && value >= (unit === 0 ? 1000 : 999.5)) [value, unit] = [value / 1000, unit + 1];
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  const options = { style: "unit", unit: units[unit], unitDisplay: unit === 0 ? "long" : "short", minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(lang, options).format(value);
}

export function formatMinutes(seconds) {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  return new Intl.NumberFormat(lang, { style: "unit", unit: "minute", unitDisplay: "long" }).format(minutes);
}

/** Whether a form was sent. What it changes may be told by the stream before its own answer arrives. */
let isLeaving = false;
addEventListener("submit", () => (isLeaving = true));

/** Loads the page again: what had the focus gets it back. Not while somebody fills in a form, or has sent one. */
export function reloadPage(delay = 0) {
  setTimeout(() => {
    if (isLeaving) return;
    if (document.querySelector("details[open] form:focus-within")) return reloadPage(5_000);
    sessionStorage.setItem(FOCUS, document.activeElement?.id ?? "");
    // Without what the form before had to say, once there was time to read it.
    if (performance.now() > READING_TIME) {
      const url = new URL(location.href);
      for (const name of ["done", "refused", "count", "failed"]) url.searchParams.delete(name);
      history.replaceState(null, "", url);
    }
    location.reload();
  }, delay);
}

const focused = sessionStorage.getItem(FOCUS);
sessionStorage.removeItem(FOCUS);
if (focused) document.getElementById(focused)?.focus();

/** Opens a stream. Once it is closed for good (too many are open, or the session has ended), the page loads itself again. */
export function openStream(address, handlers) {
  const stream = new EventSource(address);
  for (const [name, handle] of Object.entries(handlers)) {
    stream.addEventListener(name, (event) => handle(JSON.parse(event.data), event));
  }
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) reloadPage(15_000);
  });
  return stream;
}
