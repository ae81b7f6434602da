// Signing in with a token.
import { element } from "./element.js";

/** Shows the form; `use` is given the token and throws what is wrong with it. */
export function showSignIn(content, use) {
  document.title = "Sign in · Gitspaces";
  const field = element("input", {
    id: "token",
    name: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
    "aria-describedby": "token-hint token-problem",
  });
  const problem = element("p", { id: "token-problem", class: "problem", role: "alert" });
  const submit = element("button", { class: "solid" }, "Sign in");
  const form = element(
    "form",
    {
      class: "card narrow",
      onsubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        problem.textContent = "";
        try {
          await use(field.value.trim());
        } catch (error) {
          problem.textContent = error.message;
          field.setAttribute("aria-invalid", "true");
          field.select();
        } finally {
          submit.disabled = false;
        }
      },
    },
    element("h1", {}, "Sign in"),
    element("label", { for: "token" }, "Personal token"),
    field,
    element(
      "p",
      { id: "token-hint", class: "hint" },
      "An administrator makes one for you with ",
      element("code", {}, "gitspaces token create"),
      ". ",
      element("code", {}, "gitspaces open"),
      " signs you in without one.",
    ),
    problem,
    submit,
  );
  content.replaceChildren(form);
  field.focus();
}
