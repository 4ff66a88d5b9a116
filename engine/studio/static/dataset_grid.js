// The grid of a dataset's images, which is for looking.
// @ts-check

import { Grid } from "./grid.js";
import { control, filterAtOnce } from "./grid_controls.js";
import { isForField } from "./studio.js";

filterAtOnce(true);

const list = document.getElementById("grid");
if (list) {
  const grid = new Grid(list);
  control(grid);
  document.getElementById("open-selected")?.addEventListener("click", () => grid.open());
  document.getElementById("copy-names")?.addEventListener("click", () => grid.copyNames());
  document.addEventListener("keydown", (event) => {
    if (isForField(event)) return;
    if (event.key === "b") document.getElementById("show-boxes")?.click();
    else if (event.key === "c" && grid.selected) grid.copyNames();
  });
}
