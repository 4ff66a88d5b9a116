// Calls of the engine by a page's own scripts: JSON back, and errors in the engine's words.
// @ts-check

const PATIENCE = 8;
const WAIT_SECONDS_MAX = 5;

/** What the engine refused, or that it did not answer. `ended` if the session has. */
export class Refused extends Error {
  /** @param {string} message @param {number} status 0 if there was no answer */
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  get ended() {
    return this.status === 401;
  }
}

/**
 * Call a page of the Studio that answers JSON. While the engine is busy (429), wait as long as it says, a few times.
 * @param {string} path
 * @param {{method?: string, body?: BodyInit, type?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<{value: any, text: string, milliseconds: number}>} the time is that of the last attempt
 */
export async function callEngine(path, { method = "GET", body, type, signal } = {}) {
  const headers = { Accept: "application/json", ...(type ? { "Content-Type": type } : {}) };
  for (let attempt = 1; ; attempt += 1) {
    const started = performance.now();
    const { response, text } = await answer(path, { method, headers, ...(body === undefined ? {} : { body }), ...(signal ? { signal } : {}) });
    const milliseconds = performance.now() - started;
    if (response.status === 429 && attempt < PATIENCE) {
      const wait = Math.min(WAIT_SECONDS_MAX, Number(response.headers.get("Retry-After")) || 1);
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
      continue;
    }
    const value = parsed(text);
    if (response.ok && value !== undefined) return { value, text, milliseconds };
    throw refusal(response, value);
  }
}

/**
 * @typedef {{doing: string, done: number, of: number}} Progress `of` is 0 if it is not known.
 *
 * Call a page that works for some seconds, and learn meanwhile how far it is.
 * @param {string} path
 * @param {{body: BodyInit, type?: string}} options
 * @param {(progress: Progress) => void} report
 * @returns {Promise<any>} the result
 */
export async function callAtLength(path, { body, type }, report) {
  const gone = "The connection ended before the work was done. Reload the page to see whether it was.";
  const headers = { Accept: "application/x-ndjson, application/json", ...(type ? { "Content-Type": type } : {}) };
  const response = await fetch(path, { method: "POST", headers, body }).catch(() => {
    throw unanswered();
  });
  if (!response.ok || !response.body) throw refusal(response, parsed(await response.text().catch(() => "")));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
    if (done) throw new Refused(gone, 0);
    const lines = (text + value).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const said = parsed(line);
      if (said?.error) throw new Refused(said.error.message, 200);
      if (said && "result" in said) return said.result;
      if (said) report(said);
    }
  }
}

/** @param {string} path @param {RequestInit} options */
async function answer(path, options) {
  try {
    const response = await fetch(path, options);
    return { response, text: await response.text() };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unanswered();
  }
}

/** The error of a call that got no answer. */
export function unanswered() {
  return new Refused("The engine does not answer. Check that it runs and that you are connected, and try again.", 0);
}

/** @param {Response} response @param {any} value its body, if that is JSON */
function refusal(response, value) {
  return new Refused(value?.error?.message ?? `The engine answered with status ${response.status}.`, response.status);
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
