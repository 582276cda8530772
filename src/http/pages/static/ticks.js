// Buttons that tick all boxes of a list, or none.
export function offerTicks() {
  for (const button of document.querySelectorAll("button[data-tick]")) {
    const list = document.getElementById(button.dataset.tick);
    button.hidden = false;
    button.addEventListener("click", () => {
      const boxes = [...list.querySelectorAll("input[type=checkbox][name=asset]")];
      const areAll = boxes.every((box) => box.checked);
      for (const box of boxes) box.checked = !areAll;
    });
  }
}
