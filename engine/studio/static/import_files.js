// Files as browsers give them: dropped with their folders, chosen, or pasted.
// @ts-check

/** @typedef {{path: string, file: File}} Found */

/**
 * Everything in a drop, with the paths of its folders. Must be called while the event is handled.
 * @param {DataTransfer} data
 * @returns {Promise<Found[]>}
 */
export async function filesOfDrop(data) {
  // All entries are taken before anything is awaited: the browser empties the list then.
  const items = [...data.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => ({ entry: item.webkitGetAsEntry?.() ?? null, file: item.getAsFile() }));
  /** @type {Found[]} */
  const found = [];
  for (const { entry, file } of entries) {
    if (entry) await collect(entry, found);
    else if (file) found.push({ path: file.name, file });
  }
  return found;
}

/**
 * Files of an `<input type=file>`; from a folder, with their paths in it.
 * @param {FileList | null} files
 * @returns {Found[]}
 */
export function filesOfList(files) {
  return [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** @param {FileSystemEntry} top @param {Found[]} found */
async function collect(top, found) {
  const waiting = [top];
  for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
    if (entry.isDirectory) {
      const directory = entry;
      const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
      for (;;) {
        /** @type {FileSystemEntry[] | null} a hundred at a time */
        const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null)));
        if (some === null) found.push({ path: `${pathOf(directory)}/`, file: new Unreadable("") });
        if (!some?.length) break;
        waiting.push(...some);
      }
    } else {
      const path = pathOf(entry);
      const file = await new Promise((resolve) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, () => resolve(null)));
      found.push({ path, file: /** @type {File | null} */ (file) ?? new Unreadable(path) });
    }
  }
}

/** @param {FileSystemEntry} entry */
function pathOf(entry) {
  return entry.fullPath.replace(/^\//, "");
}

/** A file that the browser could not open: it is refused later, as every file that can't be read. */
class Unreadable extends File {
  /** @param {string} path */
  constructor(path) {
    super(["?"], path.slice(path.lastIndexOf("/") + 1));
  }

  /** @override @returns {Promise<ArrayBuffer>} */
  arrayBuffer() {
    return Promise.reject(new DOMException("The file can't be opened", "NotReadableError"));
  }
}
