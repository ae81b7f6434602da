// A person's SSH keys, and how their Gitspaces are reached with them.
import { api } from "./api.js";
import { button, element } from "./element.js";
import { ago } from "./moment.js";
import { attempt, confirm } from "./notices.js";

/** A section that is closed until it is asked for. `read` fills it. */
export function sshKeysSection(signal) {
  const list = element("ul", { class: "list", "aria-label": "SSH keys" });
  const problem = element("p", { id: "ssh-key-problem", class: "problem", role: "alert" });
  const field = element("input", {
    name: "public_key",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "ssh-ed25519 AAAA… you@laptop",
    "aria-describedby": "ssh-key-problem",
  });
  const submit = element("button", { class: "solid" }, "Add key");
  const form = element(
    "form",
    {
      class: "row",
      onsubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        problem.textContent = "";
        try {
          await api.addSshKey(field.value);
          field.value = "";
          await read();
        } catch (error) {
          problem.textContent = error.message;
        } finally {
          submit.disabled = false;
        }
      },
    },
    element("label", {}, "Public key (the line of a .pub file)", field),
    submit,
  );
  const hint = element(
    "p",
    { class: "hint" },
    element("code", {}, "gitspaces config-ssh"),
    " does this for you, and teaches ssh and your editor all of your Gitspaces.",
  );

  async function read() {
    const keys = await api.sshKeys();
    if (!signal.aborted) list.replaceChildren(...(keys.length === 0 ? [none()] : keys.map(row)));
  }
  async function remove(key) {
    const text = `Sessions that were opened with ${key.name} end at once.`;
    if (!(await confirm("Remove this SSH key?", text, "Remove"))) return;
    await attempt(() => api.removeSshKey(key.identifier));
    await attempt(read);
  }
  function row(key) {
    return element(
      "li",
      { class: "row ssh-key" },
      element("span", { class: "name" }, key.name, element("small", {}, `${key.type} ${key.fingerprint}`)),
      element("span", { class: "used" }, `added ${ago(key.created, Date.now())}`),
      button("Remove", { class: "danger", "aria-label": `Remove ${key.name}` }, () => remove(key)),
    );
  }
  const section = element("details", {}, element("summary", {}, "SSH keys"), hint, form, problem, list);
  section.addEventListener("toggle", () => section.open && void attempt(read));
  return section;
}

function none() {
  return element("li", { class: "empty" }, "No key yet.");
}
