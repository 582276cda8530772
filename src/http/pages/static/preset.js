// For the forms of presets: checks the modifier while it is written, and shows what it makes of the chosen asset.
import { watchModifier } from "./modifier.js";

const modifier = document.getElementById("urlModifier");
const asset = document.getElementById("asset");
const live = document.getElementById("live");
const original = document.getElementById("original");
const result = document.getElementById("result");

function preview(isFine) {
  if (!result) return;
  original.src = `${asset.dataset.thumbnails}${asset.value}/thumbnail`;
  if (!isFine) return;
  result.src = `${asset.dataset.previews}${asset.value}/preview?is_modifier=${encodeURIComponent(modifier.value.trim())}`;
  result.hidden = false;
}

if (live && modifier) {
  const read = () => ({ is_modifier: modifier.value.trim() || null, assetHandle: asset?.value ?? null });
  watchModifier(live, asset ? [modifier, asset] : [modifier], read, preview);
}
// What cannot be shown has no frame.
result?.addEventListener("error", () => (result.hidden = true));
