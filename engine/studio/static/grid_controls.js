// The controls above a grid: the size of its cells, its boxes, its filters, and the way to a number.
// @ts-check

/** @typedef {import("./grid.js").Grid} Grid */

const SIZE = "vision-studio-cell-size";
const BOXES_OFF = "vision-studio-boxes-off";

/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement | null} */ (document.getElementById(id));
}

/**
 * Let the page's controls work on a grid.
 * @param {Grid} grid
 */
export function control(grid) {
  const size = input("cell-size");
  if (size) {
    size.value = localStorage.getItem(SIZE) ?? size.value;
    grid.size = Number(size.value);
    size.addEventListener("input", () => {
      grid.size = Number(size.value);
      localStorage.setItem(SIZE, size.value);
    });
  }

  const boxes = input("show-boxes");
  const drawBoxes = () => grid.list.classList.toggle("without-boxes", boxes ? !boxes.checked : false);
  if (boxes) {
    boxes.checked = !localStorage.getItem(BOXES_OFF);
    boxes.addEventListener("change", () => {
      if (boxes.checked) localStorage.removeItem(BOXES_OFF);
      else localStorage.setItem(BOXES_OFF, "1");
      drawBoxes();
    });
  }
  drawBoxes();

  document.getElementById("jump")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const number = Number(input("jump-to")?.value);
    if (number > 0) grid.goTo(number - 1);
  });

  const bar = document.getElementById("selection");
  grid.list.addEventListener("selection", () => {
    bar?.toggleAttribute("hidden", !grid.selected);
    const told = document.getElementById("selected");
    if (told) told.textContent = `${grid.selected.toLocaleString("en")} selected`;
  });
  document.getElementById("clear-selection")?.addEventListener("click", () => grid.clear());
}

/**
 * Let a choice of `only` be asked for at once.
 * @param {boolean} alone Whether it and a tag are not asked for together.
 */
export function filterAtOnce(alone) {
  const tag = input("tag");
  const only = /** @type {HTMLSelectElement | null} */ (document.getElementById("only"));
  if (alone) {
    tag?.addEventListener("input", () => {
      if (only && tag.value) only.value = "";
    });
  }
  only?.addEventListener("change", () => {
    if (alone && tag && only.value) tag.value = "";
    only.form?.requestSubmit();
  });
}
