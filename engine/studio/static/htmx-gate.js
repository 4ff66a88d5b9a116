// Starts htmx once it is gated, and closes what its extension hx-csp leaves open. docs/decisions/0012 has each gap, measured.
//
// The page's body has the attribute `hx-ignore`, so htmx does nothing until this module has run: in whatever order the scripts
// arrive, and also if one of them does not. An element is trusted if its own attribute `hx-nonce` is the nonce of the page.

const firstScript = document.querySelector("script[nonce]");
const pageNonce = firstScript instanceof HTMLScriptElement ? firstScript.nonce : "";

const POLICY_WITH_NONCE = /(?:^|[;,])\s*script-src[^;,]*'nonce-/i;

/** @param {string} what @param {unknown} where */
function refuse(what, where) {
  console.error(`htmx-gate: refused ${what}`, where);
}

/** @param {Element | null} element */
const isTrusted = (element) => element?.getAttribute("hx-nonce") === pageNonce;

/**
 * The elements of a tree, its root included, that have attributes of htmx and are not trusted, each with these attributes.
 * @param {Element} root
 */
function untrusted(root) {
  const prefixes = ["hx-", htmx.config.prefix].filter(Boolean);
  const test = prefixes.map((prefix) => `starts-with(name(), "${prefix}")`).join(" or ");
  const kind = XPathResult.ORDERED_NODE_SNAPSHOT_TYPE;
  const found = document.evaluate(`descendant-or-self::*[@*[${test}]]`, root, null, kind, null);
  const elements = Array.from({ length: found.snapshotLength }, (_, index) => /** @type {Element} */ (found.snapshotItem(index)));
  return elements
    .filter((element) => !isTrusted(element))
    .map((element) => ({
      element,
      names: element.getAttributeNames().filter((name) => prefixes.some((prefix) => name.startsWith(prefix))),
    }));
}

/** @type {HtmxExtension} */
const gate = {
  // hx-csp checks the elements that htmx wires up. They also inherit from ancestors, which htmx does not wire up.
  htmx_before_process: (root) => {
    for (const { element, names } of untrusted(root)) {
      for (const name of names) element.removeAttribute(name);
      refuse(`${names.join(", ")} without the page's nonce`, element);
    }
  },

  // A boosted link or form needs no attribute of its own, so hx-csp lets it pass.
  htmx_before_init: isTrusted,

  // If the header has no nonce, hx-csp believes one that the response's own text names.
  htmx_after_request: (_, { ctx }) => {
    if (!ctx.text || POLICY_WITH_NONCE.test(ctx.response?.headers.get("Content-Security-Policy") ?? "")) return true;
    refuse("a response whose Content-Security-Policy has no nonce", ctx.request.action);
    return false;
  },

  // hx-csp does not check what a response puts elsewhere than into the target. `<hx-partial>` has no place for a nonce.
  htmx_before_swap: (_, { tasks }) => {
    const elsewhere = tasks.filter(({ type }) => type !== "main");
    for (const task of elsewhere.filter(({ type, fragment }) => type === "partial" || !isTrusted(fragment.firstElementChild))) {
      tasks.splice(tasks.indexOf(task), 1);
      refuse(`a swap of kind ${task.type} without the page's nonce`, task.fragment.firstElementChild);
    }
  },
};

if (!pageNonce) {
  refuse("to start: the page's scripts have no nonce", document);
} else if (htmx.registerExtension("hx-csp", {}) !== false) {
  refuse("to start: hx-csp did not load", document);
} else if (htmx.registerExtension("gate", gate) === false) {
  refuse("to start: htmx-config does not list the extension `gate`", document);
} else {
  document.body.removeAttribute("hx-ignore");
  htmx.process(document.body);
}
