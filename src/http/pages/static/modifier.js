// Checks a modifier while somebody writes it. The page has a button that does the same.
import { writeHeaders } from "./csrf.js";

/**
 * Watches the fields, and tells in `live` what is wrong or what the modifier means.
 * @param {HTMLElement} live has the address of the operation and the words
 * @param {() => object} read the body of a check
 * @param {(isFine: boolean) => void} [done] called after each check
 */
export function watchModifier(live, fields, read, done = () => {}) {
  let timer = 0;
  let asked = 0;
  async function check() {
    const body = read();
    const number = ++asked;
    if (!body.is_modifier && !body.macro) {
      live.replaceChildren();
      done(false);
      return;
    }
    const response = await fetch(live.dataset.check, {
      method: "POST",
      headers: writeHeaders({ "Content-Type": "application/json", Accept: "application/json" }),
      body: JSON.stringify(body),
    }).catch(() => null);
    const answer = await response?.json().catch(() => null);
    // A later check has the word, and without an answer there is nothing to say.
    if (number !== asked || !answer) return;
    show(live, response.ok, answer);
    done(response.ok);
  }
  for (const field of fields) {
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(check, 400);
    });
  }
  check();
}

function show(live, isFine, answer) {
  const list = document.createElement("ul");
  list.className = "remarks";
  const add = (text, className, language) => {
    const line = document.createElement("li");
    line.textContent = text;
    line.className = className;
    if (language) line.lang = language;
    list.append(line);
  };
  if (isFine) {
    const { picture } = answer;
    const size = picture?.width ? `, ${picture.width} × ${picture.height}` : "";
    add(`${live.dataset.fine} ${answer.mime}${size}`, "done");
    if (picture?.failure) add(picture.failure.detail, "failed", "en");
    for (const { detail } of answer.warnings) add(detail, "warning", "en");
    for (const { detail } of answer.notices) add(detail, "small", "en");
  } else {
    const errors = answer.errors?.length ? answer.errors : [answer];
    for (const { detail } of errors) add(detail, "failed", "en");
  }
  live.replaceChildren(list);
}
