// For the list of assets: uploads many files at once, chosen or dropped, and goes on after a break. Without it a form does.
import { offerTicks } from "./ticks.js";
import { uploadFile } from "./tus.js";

const PARALLEL_UPLOADS = 3;

offerTicks();
const form = document.getElementById("upload");
if (form) watchForm();

function watchForm() {
  const { words, list, total } = { words: form.dataset, list: document.getElementById("upload-list"), total: document.getElementById("upload-total") };
  const waiting = [];
  let [running, done, all] = [0, 0, 0];

  function tell() {
    total.textContent = `${done} ${words.of} ${all}`;
    if (running || waiting.length || done !== all) return;
    const link = document.createElement("a");
    link.href = `${form.action}?folder=${encodeURIComponent(form.elements.folder.value)}`;
    link.textContent = words.show;
    total.append(" ", link);
  }

  function addFile(file) {
    const folder = form.elements.folder.value.trim();
    const line = document.createElement("li");
    const name = document.createElement("span");
    const bar = document.createElement("progress");
    const state = document.createElement("span");
    name.textContent = file.name;
    bar.max = file.size || 1;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    state.className = "small";
    line.append(name, bar, state);
    list.append(line);
    all += 1;
    waiting.push({ file, folder, line, bar, state });
  }

  async function work(upload) {
    const { file, folder, line, bar, state } = upload;
    running += 1;
    state.textContent = "";
    try {
      await uploadFile(file, {
        address: words.uploads,
        folder,
        onProgress: (sent) => {
          bar.value = sent;
          state.textContent = `${Math.floor((100 * sent) / (file.size || 1))} %`;
        },
        onPause: () => (state.textContent = words.retrying),
      });
      done += 1;
      line.className = "done";
      state.textContent = words.done;
    } catch (error) {
      line.className = "failed";
      state.textContent = error.message;
      const again = document.createElement("button");
      again.type = "button";
      again.className = "quiet";
      again.textContent = words.again;
      again.addEventListener("click", () => {
        again.remove();
        line.className = "";
        waiting.push(upload);
        start();
      });
      line.append(again);
    }
    running -= 1;
    tell();
    start();
  }

  function start() {
    while (running < PARALLEL_UPLOADS && waiting.length) work(waiting.shift());
    for (const { state } of waiting) state.textContent = words.waiting;
  }

  function addFiles(files) {
    for (const file of files) addFile(file);
    tell();
    start();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    addFiles(form.elements.file.files);
    form.elements.file.value = "";
  });
  form.querySelector("[data-drop]").hidden = false;
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    addFiles(event.dataTransfer.files);
  });
  addEventListener("beforeunload", (event) => {
    if (running || waiting.length) event.preventDefault();
  });
}
