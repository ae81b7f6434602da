// The page: who is there, which view the address means, and going from one to the other without loading anew.
import { api } from "./api.js";
import { showDetails } from "./details.js";
import { button, element } from "./element.js";
import { showList } from "./list.js";
import { notify } from "./notices.js";
import { readNext, readRoute } from "./route.js";
import { showSignIn } from "./sign-in.js";

const content = document.getElementById("content");
const who = document.getElementById("who");
let shown = new AbortController();

/** Goes to a path of this page. */
function go(path, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](undefined, "", path);
  return show();
}

async function show() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  let user;
  try {
    user = await api.user();
  } catch (error) {
    if (signal.aborted) return;
    if (error.status === 401 || error.status === 403) return signIn();
    content.replaceChildren(element("p", { class: "waiting" }, error.message));
    setTimeout(() => signal.aborted || show(), 2_000);
    return;
  }
  if (signal.aborted) return;
  const next = readNext(location.search, location.origin);
  if (next !== undefined) return location.replace(next);
  who.replaceChildren(
    element("span", { title: user.email }, user.display_name),
    button("Sign out", { class: "quiet" }, signOut),
  );
  const route = readRoute(location.pathname);
  const view = { content, signal, go, signedOut: signIn };
  if (route.view === "details") await showDetails(view, route.id);
  else await showList(view);
}

function signIn() {
  shown.abort();
  shown = new AbortController();
  who.replaceChildren();
  showSignIn(content, async (token) => {
    await api.signIn(token);
    await show();
  });
}

async function signOut() {
  await api.signOut().catch((error) => notify(error.message));
  await go("/");
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-route]");
  if (
    link === null ||
    link === undefined ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  event.preventDefault();
  void go(link.getAttribute("href")).then(() => content.focus({ preventScroll: true }));
});
addEventListener("popstate", () => void show());
await show();
