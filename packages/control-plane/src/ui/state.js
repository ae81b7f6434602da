// A Gitspace's state as words and a colour.
import { element } from "./element.js";

const looks = {
  uninitialized: ["idle", "never started"],
  starting: ["busy", "starting"],
  running: ["good", "running"],
  stopping: ["busy", "stopping"],
  stopped: ["idle", "stopped"],
  cleaning: ["busy", "cleaning up"],
  error: ["bad", "failed"],
  deleted: ["idle", "deleted"],
};

export function stateBadge(state) {
  const [look, words] = looks[state] ?? ["idle", state];
  return element("span", { class: `state ${look}` }, element("i", { class: "dot", "aria-hidden": "true" }), words);
}

/** Whether something is under way that ends by itself. */
export function isBusy(state) {
  return looks[state]?.[0] === "busy";
}

/** When it was last used, or else made. */
export function lastUsed(gitspace) {
  return gitspace.instance?.last_used ?? gitspace.created;
}
