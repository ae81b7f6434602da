// What went wrong with something a person asked for, and questions before something cannot be taken back.
import { button, element } from "./element.js";

/** Shows a sentence on top of the page until it is closed or ten seconds are over. */
export function notify(text, kind = "bad") {
  const notice = element("div", { class: `notice ${kind}` }, element("span", {}, text));
  const close = button("×", { class: "quiet", "aria-label": "Close" }, () => notice.remove());
  notice.append(close);
  document.getElementById("notices").replaceChildren(notice);
  setTimeout(() => notice.remove(), 10_000);
}

/** Does what a person asked for; a refusal is shown and gives nothing. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    notify(error.message);
    return undefined;
  }
}

/** Asks before something is done. Gives whether it is wanted. */
export function confirm(title, text, yes) {
  const dialog = element(
    "dialog",
    { "aria-labelledby": "confirm-title" },
    element(
      "form",
      { method: "dialog" },
      element("h2", { id: "confirm-title" }, title),
      element("p", {}, text),
      element(
        "div",
        { class: "row end" },
        element("button", { value: "no", autofocus: true }, "Keep it"),
        element("button", { value: "yes", class: "danger solid" }, yes),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** Puts text on the clipboard and says so on the button for a moment. */
export async function copy(text, from) {
  const label = from.textContent;
  await navigator.clipboard.writeText(text);
  from.textContent = "Copied";
  setTimeout(() => (from.textContent = label), 1_500);
}
