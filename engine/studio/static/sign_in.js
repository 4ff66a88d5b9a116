// Signs in by the one-time code of `vision studio`, which stands in the address's fragment: browsers do not send that.
// @ts-check

const code = new URLSearchParams(location.hash.slice(1)).get("code");
const form = document.getElementById("sign-in");
if (code && form instanceof HTMLFormElement) {
  history.replaceState(null, "", location.pathname + location.search);
  const field = form.elements.namedItem("code");
  if (field instanceof HTMLInputElement) {
    field.value = code;
    form.submit();
  }
}
