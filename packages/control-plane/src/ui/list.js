// Every Gitspace of this person, live, and the form that makes one.
import { api } from "./api.js";
import { element } from "./element.js";
import { listen } from "./live.js";
import { ago, clock } from "./moment.js";
import { sshKeysSection } from "./ssh-keys.js";
import { lastUsed, stateBadge } from "./state.js";

export async function showList({ content, signal, go, signedOut }) {
  document.title = "Gitspaces";
  const known = new Map();
  // What the stream told while the list was being read; it stands over what was read.
  let meanwhile = new Map();
  const rows = element("ul", { class: "list", "aria-label": "Gitspaces" });
  const away = element("p", { class: "hint", role: "status" });
  const bin = element("details", { hidden: true });

  async function drawBin() {
    const deleted = await api.gitspaces({ deleted: true });
    if (signal.aborted) return;
    bin.hidden = deleted.length === 0;
    const list = element("ul", { class: "list", "aria-label": "Deleted Gitspaces" }, ...deleted.map(row));
    bin.replaceChildren(element("summary", {}, `Deleted, and kept for a while: ${deleted.length}`), list);
  }
  function draw() {
    const gitspaces = [...known.values()].toSorted((a, b) => lastUsed(b) - lastUsed(a));
    rows.replaceChildren(...(gitspaces.length === 0 ? [empty()] : gitspaces.map(row)));
  }
  function apply(id, gitspace) {
    meanwhile.set(id, gitspace);
    if (gitspace === undefined) known.delete(id);
    else known.set(id, gitspace);
  }
  async function read() {
    const told = new Map();
    meanwhile = told;
    try {
      const gitspaces = await api.gitspaces();
      // Another reading has begun, or this view is over.
      if (signal.aborted || meanwhile !== told) return;
      known.clear();
      for (const each of gitspaces) known.set(each.identifier, each);
      for (const [id, gitspace] of told) apply(id, gitspace);
      away.textContent = "";
      draw();
      await drawBin();
    } catch (error) {
      if (error.status === 401) return signedOut();
      away.textContent = error.message;
    }
  }

  content.replaceChildren(
    createForm(go),
    element("section", {}, element("h1", {}, "Your Gitspaces"), away, rows, bin),
    sshKeysSection(signal),
  );
  await read();
  if (signal.aborted) return;
  listen(api.allEventsPath, {
    signal,
    onOpen: read,
    onBroken: () => (away.textContent = "The connection is lost; trying again…"),
    handlers: {
      state: (gitspace) => {
        // One that was not here may have been taken back.
        if (!known.has(gitspace.identifier)) void drawBin().catch(() => undefined);
        apply(gitspace.identifier, gitspace);
        draw();
      },
      deleted: ({ identifier }) => {
        apply(identifier, undefined);
        draw();
        void drawBin().catch(() => undefined);
      },
    },
  });
  const ticking = setInterval(draw, 60_000);
  signal.addEventListener("abort", () => clearInterval(ticking));
}

function row(gitspace) {
  return element(
    "li",
    {},
    element(
      "a",
      { href: `/gitspaces/${gitspace.identifier}`, "data-route": true },
      element("span", { class: "name" }, gitspace.name, element("small", {}, gitspace.identifier)),
      stateBadge(gitspace.state),
      element(
        "span",
        { class: "repository" },
        gitspace.code_repo_url.replace(/^https?:\/\//, ""),
        element("small", {}, gitspace.branch ?? "default branch"),
      ),
      element("span", { class: "used" }, used(gitspace)),
    ),
  );
}

function used(gitspace) {
  const now = Date.now();
  const { undelete_until: until } = gitspace;
  return until === null ? ago(lastUsed(gitspace), now) : `until ${clock(until, now)}`;
}

function empty() {
  return element(
    "li",
    { class: "empty" },
    element("strong", {}, "No Gitspace yet"),
    "Give the address of a repository above. Its Gitspace is ready in a moment.",
  );
}

function createForm(go) {
  const repository = field("repository", "Repository", {
    type: "url",
    required: true,
    placeholder: "https://…/project.git",
    inputmode: "url",
  });
  const branch = field("branch", "Branch", { placeholder: "default" });
  const name = field("name", "Name", { placeholder: "the repository's", maxlength: "40" });
  const token = field("token", "Token", {
    type: "password",
    placeholder: "if it is private",
    autocomplete: "new-password",
    title: "A token that may read the repository. It is kept encrypted and never shown again.",
  });
  const problem = element("p", { id: "create-problem", class: "problem", role: "alert" });
  const submit = element("button", { class: "solid" }, "Create and start");
  const fields = { code_repo_url: repository, branch, name, code_repo_token: token };

  async function create() {
    const body = Object.fromEntries(
      Object.entries(fields)
        .map(([key, { input }]) => [key, input.value.trim()])
        .filter(([, value]) => value !== ""),
    );
    const { identifier } = await api.create(body);
    // Made is made: its own page shows why it could not be started, and starts it again.
    await api.act(identifier, "start").catch(() => undefined);
    await go(`/gitspaces/${identifier}`);
  }
  return element(
    "form",
    {
      class: "card create",
      "aria-label": "New Gitspace",
      onsubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        problem.textContent = "";
        try {
          await create();
        } catch (error) {
          problem.textContent = inWords(error.message, fields);
        } finally {
          submit.disabled = false;
        }
      },
    },
    element("h2", {}, "New Gitspace"),
    element("div", { class: "fields" }, repository.label, branch.label, name.label, token.label, submit),
    problem,
  );
}

/** A refusal names the field of the API; a person knows it by its label. */
function inWords(message, fields) {
  const [name, rest] = message.split(/: (.*)/s, 2);
  return rest !== undefined && Object.hasOwn(fields, name) ? `${fields[name].text}: ${rest}` : message;
}

function field(name, text, properties) {
  const input = element("input", {
    name,
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
    "aria-describedby": "create-problem",
    ...properties,
  });
  return { input, text, label: element("label", {}, text, input) };
}
