// Who else reaches a Gitspace's ports: their visibility, and links for whoever has them.
import { api } from "./api.js";
import { button, element, outsideLink } from "./element.js";
import { ago, clock } from "./moment.js";
import { attempt, copy } from "./notices.js";

const NAMES = { private: "only you", organisation: "your organisation", public: "everybody" };
const ORDER = Object.keys(NAMES);

/** The card, and `read` to fetch what it shows. */
export function sharingView(id) {
  const ports = element("dl");
  const links = element("dl");
  const made = element("p", { role: "status" });
  const number = element("input", { id: "share-port", type: "number", min: 1, max: 65535, required: true });
  const who = element("select", { "aria-label": "Who may reach the port" });
  const makeLink = button("Make a link", {}, () => form.reportValidity() && attempt(share));
  const form = element(
    "form",
    { onsubmit: (event) => void (event.preventDefault(), attempt(() => set(Number(number.value), who.value))) },
    element("label", { for: "share-port" }, "Port "),
    number,
    " for ",
    who,
    element("div", { class: "row" }, element("button", { type: "submit" }, "Set"), makeLink),
  );
  const card = element("section", { class: "card" }, element("h2", {}, "Sharing"), ports, links, form, made);

  async function set(port, visibility) {
    await api.setVisibility(id, port, visibility);
    await read();
  }
  async function share() {
    const { link } = await api.share(id, { port: Number(number.value) });
    const copyButton = button("Copy it", { class: "quiet" }, () => attempt(() => copy(link, copyButton)));
    made.replaceChildren("Whoever has this link may pass for a day. It is shown this once. ", copyButton);
    await read();
  }
  async function read() {
    const [sharing, shares] = await Promise.all([api.sharing(id), api.shares(id)]);
    const most = ORDER.indexOf(sharing.most);
    who.replaceChildren(...ORDER.slice(0, most + 1).map((value) => element("option", { value }, NAMES[value])));
    makeLink.hidden = sharing.most !== "public";
    ports.replaceChildren(...sharing.ports.map((each) => portRow(each, set)));
    links.replaceChildren(...shares.map((each) => linkRow(each, Date.now(), unshare)));
  }
  async function unshare(link) {
    await api.unshare(id, link);
    await read();
  }
  return { element: card, read: () => read().catch(() => undefined) };
}

function portRow({ port, url, visibility }, set) {
  const close = button("Close", { class: "quiet" }, () => attempt(() => set(port, "private")));
  return element(
    "div",
    {},
    element("dt", {}, outsideLink(url, `Port ${port}`)),
    element("dd", {}, `${NAMES[visibility]} `, close),
  );
}

function linkRow({ identifier, port, path, name, expires_at: until, last_used: used }, now, unshare) {
  const end = button("End", { class: "quiet" }, () => attempt(() => unshare(identifier)));
  const about = `${used === null ? "not used yet" : `used ${ago(used, now)}`}, until ${clock(until, now)} `;
  const title = `Link to port ${port}${path === "/" ? "" : path}${name === "" ? "" : `, ${name}`}`;
  return element("div", {}, element("dt", {}, title), element("dd", {}, about, end));
}
