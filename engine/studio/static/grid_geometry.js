// Where the cells of a windowed grid are, and where the keys lead: pure functions.
// @ts-check

/** Browsers cut off what is taller than about 17 million pixels. A taller grid is scrolled faster instead. */
export const HEIGHT_MAX = 8_000_000;

/**
 * @typedef {object} Layout
 * @property {number} count How many cells.
 * @property {number} columns
 * @property {number} rows
 * @property {number} cell Width of a cell, in pixels.
 * @property {number} step From one row to the next, in pixels.
 * @property {number} gap Between two columns, in pixels.
 * @property {number} content Height of all rows, in pixels.
 * @property {number} height Of the element that is scrolled, in pixels: at most HEIGHT_MAX.
 * @property {number} view Height of the part that is seen, in pixels.
 */

/**
 * Lay out `count` cells of about `size` pixels, each with a caption below, in columns that fill the width.
 * @param {{count: number, width: number, view: number, size: number, gap: number, caption: number}} wanted
 * @returns {Layout}
 */
export function layOut({ count, width, view, size, gap, caption }) {
  const columns = Math.max(1, Math.floor((width + gap) / (size + gap)));
  const cell = Math.max(1, (width - gap * (columns - 1)) / columns);
  const rows = Math.ceil(count / columns);
  const step = cell + caption + gap;
  const content = Math.max(0, rows * step - gap);
  return { count, columns, rows, cell, step, gap, content, height: Math.min(content, HEIGHT_MAX), view };
}

/**
 * How far down the rows the view begins, in pixels.
 * @param {Layout} layout
 * @param {number} scrolled The element's scrollTop.
 */
export function offsetOf(layout, scrolled) {
  const { content, height, view } = layout;
  if (content <= height || height <= view) return scrolled;
  return (scrolled * (content - view)) / (height - view);
}

/**
 * The scrollTop at which the view begins so far down the rows.
 * @param {Layout} layout
 * @param {number} offset
 */
export function scrolledTo(layout, offset) {
  const { content, height, view } = layout;
  const within = Math.min(Math.max(0, offset), Math.max(0, content - view));
  if (content <= height || height <= view) return within;
  return (within * (height - view)) / (content - view);
}

/**
 * The cells `first` up to, but without, `stop` that are in view, with `before` and `after` screens around them.
 * @param {Layout} layout
 * @param {number} scrolled
 * @param {{before: number, after: number}} screens
 */
export function cellsWithin(layout, scrolled, { before, after }) {
  const offset = offsetOf(layout, scrolled);
  const top = Math.floor((offset - before * layout.view) / layout.step);
  const bottom = Math.ceil((offset + (1 + after) * layout.view) / layout.step);
  const first = Math.min(layout.count, Math.max(0, top) * layout.columns);
  return { first, stop: Math.min(layout.count, Math.max(0, bottom) * layout.columns) };
}

/**
 * Where a cell is in the element that is scrolled, in pixels.
 * @param {Layout} layout
 * @param {number} scrolled
 * @param {number} index
 */
export function placeOf(layout, scrolled, index) {
  const row = Math.floor(index / layout.columns);
  return {
    x: (index - row * layout.columns) * (layout.cell + layout.gap),
    y: row * layout.step - offsetOf(layout, scrolled) + scrolled,
  };
}

/**
 * The scrollTop nearest to the present one at which a cell is in view as a whole.
 * @param {Layout} layout
 * @param {number} scrolled
 * @param {number} index
 */
export function scrolledToShow(layout, scrolled, index) {
  const offset = offsetOf(layout, scrolled);
  const top = Math.floor(index / layout.columns) * layout.step;
  const bottom = top + layout.step - layout.gap;
  if (top >= offset && bottom <= offset + layout.view) return scrolled;
  const aimed = top < offset || layout.step - layout.gap > layout.view ? top : bottom - layout.view;
  return scrolledTo(layout, aimed);
}

/**
 * The cell to which a key leads; null if it leads nowhere.
 * @param {Layout} layout
 * @param {number} index
 * @param {string} key As in KeyboardEvent.key.
 * @param {boolean} [whole] Whether Home and End mean the first and the last cell, not those of the row.
 * @returns {number | null}
 */
export function cellByKey(layout, index, key, whole = false) {
  const { columns, count } = layout;
  if (!count) return null;
  const page = Math.max(1, Math.floor(layout.view / layout.step)) * columns;
  const row = index - (index % columns);
  /** @type {Record<string, number>} */
  const moves = {
    ArrowLeft: index - 1,
    ArrowRight: index + 1,
    ArrowUp: index - columns,
    ArrowDown: index + columns,
    PageUp: index - page,
    PageDown: index + page,
    Home: whole ? 0 : row,
    End: whole ? count - 1 : row + columns - 1,
  };
  if (!Object.hasOwn(moves, key)) return null;
  const next = moves[key] ?? index;
  const paged = key === "PageUp" || key === "PageDown";
  if (next < 0) return key === "ArrowUp" ? index : paged ? index % columns : 0;
  if (next >= count) return key === "ArrowDown" && index >= (layout.rows - 1) * columns ? index : count - 1;
  return next;
}

/**
 * The pages of `size` cells that hold the cells `first` up to `stop`, by their first cells.
 * @param {number} first
 * @param {number} stop
 * @param {number} size
 */
export function pagesOf(first, stop, size) {
  const starts = [];
  for (let start = first - (first % size); start < stop; start += size) starts.push(start);
  return starts;
}
