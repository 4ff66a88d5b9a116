// What an import makes of files' names, and what it says. Functions of values alone: nothing here touches the page.
// @ts-check

/** @typedef {"picture" | "labels" | "other"} Sort */

const PICTURES = new Set(["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "gif", "tif", "tiff", "ico", "mpo"]);
const SYSTEM = new Set([".ds_store", "thumbs.db", "desktop.ini"]);

/** Files that other tools keep labels in. */
const LABELS_OF_TOOLS = new Set(["xml", "csv", "tsv", "jsonl", "manifest", "yaml", "yml", "txt", "names"]);

/** @type {Record<string, string>} */
const WHY_NOT = {
  svg: "An SVG is a drawing, not a picture of pixels. Export it as PNG",
  heic: "HEIC is not supported. Export it as JPEG; vision convert does that, too",
  heif: "HEIC is not supported. Export it as JPEG; vision convert does that, too",
  avif: "AVIF is not supported. Export it as JPEG; vision convert does that, too",
  zip: "An archive is not opened here. Unpack it, and drop its folder",
  pdf: "A PDF is not a picture. Export its pages as PNG",
};

/** @param {string} path */
export function nameOf(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** @param {string} path in lower case, without a dot; empty if there is none */
export function extensionOf(path) {
  const name = nameOf(path);
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
}

/**
 * What a file seems to be by its name. The engine looks at the content of pictures.
 * @param {string} path
 * @param {string} type as the browser has it
 * @param {number} bytes
 * @param {number} most bytes of a picture
 * @returns {{sort: Sort, reason: string}} the reason is why it is not added, if that is known already
 */
export function sortOf(path, type, bytes, most) {
  const extension = extensionOf(path);
  if (extension === "json") return { sort: "labels", reason: "" };
  if (SYSTEM.has(nameOf(path).toLowerCase()) || nameOf(path).startsWith("._") || path.split("/").includes("__MACOSX")) {
    return { sort: "other", reason: "The operating system's own file, not a picture" };
  }
  const why = WHY_NOT[extension];
  if (why) return { sort: "other", reason: why };
  if (LABELS_OF_TOOLS.has(extension)) return { sort: "other", reason: "Not a picture. If it has labels, see how to convert them" };
  if (!PICTURES.has(extension) && extension && !type.startsWith("image/")) {
    return { sort: "other", reason: `Not a picture (.${extension})` };
  }
  if (!bytes) return { sort: "other", reason: "The file is empty" };
  if (bytes > most) return { sort: "other", reason: `Too large: ${size(bytes)}, at most ${size(most)} are allowed` };
  return { sort: "picture", reason: "" };
}

/**
 * Whether files look like the labels of another tool, which `vision convert` reads.
 * @param {string[]} paths of files that are not pictures
 * @param {number} pictures
 */
export function labelsOfTools(paths, pictures) {
  const found = paths.filter((path) => LABELS_OF_TOOLS.has(extensionOf(path)) && !/^(readme|licen[cs]e)/i.test(nameOf(path)));
  return pictures > 0 && found.length > 0;
}

/**
 * The folder of each path that can be its tag: the innermost one. If there are several, what lies directly in the outermost has none.
 * @param {string[]} paths
 * @returns {(string | null)[]}
 */
export function folderTags(paths) {
  const folders = paths.map((path) => path.split("/").slice(0, -1));
  const several = new Set(folders.filter((parts) => parts.length).map((parts) => parts.join("/"))).size > 1;
  const roots = new Set(folders.map((parts) => parts[0] ?? ""));
  const shared = several && roots.size === 1 && folders.some((parts) => parts.length > 1);
  return folders.map((parts) => (parts.length && !(shared && parts.length === 1) ? /** @type {string} */ (parts.at(-1)) : null));
}

/**
 * How many pictures each folder's tag has, the most first.
 * @param {(string | null)[]} tags
 * @returns {[string, number][]}
 */
export function counts(tags) {
  /** @type {Map<string, number>} */
  const found = new Map();
  for (const tag of tags) if (tag !== null) found.set(tag, (found.get(tag) ?? 0) + 1);
  return [...found].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

/** @param {[string, number][]} found @param {number} most */
export function countsShown(found, most) {
  const shown = found.slice(0, most).map(([tag, count]) => `${tag} (${count.toLocaleString("en-US")})`).join(", ");
  return found.length > most ? `${shown} and ${(found.length - most).toLocaleString("en-US")} more` : shown;
}

/** @param {number} count @param {string} noun */
export function counted(count, noun) {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes >= 1024 ** 3) return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  return bytes < 1024 ** 2 ? `${Math.max(1, Math.round(bytes / 1024))} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

/**
 * How long the rest takes, in words; empty until that can be said.
 * @param {number} done bytes
 * @param {number} all bytes
 * @param {number} seconds since the beginning, without those that were waited
 */
export function timeLeft(done, all, seconds) {
  if (seconds < 2 || done <= 0 || done >= all) return "";
  const left = (seconds / done) * (all - done);
  if (left < 8) return "a few seconds left";
  if (left < 90) return `about ${5 * Math.round(left / 5)} s left`;
  if (left < 5400) return `about ${Math.round(left / 60)} min left`;
  return `about ${(left / 3600).toFixed(1)} h left`;
}

/**
 * What became of all files: each is counted once.
 * @param {{added: number, known: number, refused: number, left: number, labels: number}} counts
 */
export function summary({ added, known, refused, left, labels }) {
  const parts = [`${added.toLocaleString("en-US")} added`, `${known.toLocaleString("en-US")} known`, `${refused.toLocaleString("en-US")} refused`];
  if (left) parts.push(`${left.toLocaleString("en-US")} not sent`);
  if (labels) parts.push(`${labels.toLocaleString("en-US")} with labels`);
  return `${counted(added + known + refused + left + labels, "file")}: ${parts.join(", ")}`;
}

/**
 * What the engine says of a file, without the file's name, which stands beside it.
 * @param {string} message @param {string} path
 */
export function reasonOf(message, path) {
  const text = message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
  const bare = text.replace(/\.$/, "");
  return bare.charAt(0).toUpperCase() + bare.slice(1);
}

/**
 * A list as text, a line each: name, tab, reason. Characters that would break a line are escaped.
 * @param {[string, string][]} rows
 */
export function asText(rows) {
  /** @param {string} text */
  const plain = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return rows.map(([name, reason]) => `${plain(name)}\t${plain(reason)}\n`).join("");
}

/** @param {string} text a word of a shell */
export function shellWord(text) {
  return /^[\w./-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
