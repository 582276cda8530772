// For the form of a new export: checks the modifier while it is written, ticks many boxes at once, and knows the time zone.
import { watchModifier } from "./modifier.js";
import { offerTicks } from "./ticks.js";

const form = document.getElementById("export");
const { macro, is_modifier: modifier, timeZone, once } = form.elements;

const live = document.getElementById("live");
if (live) {
  const read = () => {
    const picked = form.querySelector("input[name=asset]:checked")?.value;
    return { is_modifier: modifier.value || null, macro: macro.value || null, assetHandle: picked ?? null };
  };
  watchModifier(live, [modifier, macro, ...form.querySelectorAll("#picked input")], read);
}
offerTicks();

// The zone of the reader, unless the account has one.
if (timeZone.value === "UTC") timeZone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

// Enter in a field would press the first button of the form, which searches.
form.addEventListener("keydown", (event) => {
  const isField = event.target instanceof HTMLInputElement && !["checkbox", "radio"].includes(event.target.type);
  if (event.key === "Enter" && isField && !["folder", "search"].includes(event.target.name)) event.preventDefault();
});

// Whoever comes back to this page by the browser's button and creates means another job.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) once.value = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
});
