// Elements from plain calls. Text always becomes a text node, so nothing from elsewhere is ever read as markup.

/** Makes an element: `on…` properties become listeners, `class` and other names attributes, `false` and `undefined` are left out. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return made;
}

/** A link to another place, only if it is http or https; otherwise its text. */
export function outsideLink(url, text, properties = {}) {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return element("span", {}, text);
  return element("a", { href: url, rel: "noopener noreferrer", target: "_blank", ...properties }, text);
}

/** A button that is busy while its work runs, so that nothing is asked twice. */
export function button(text, properties, work) {
  const made = element("button", { type: "button", ...properties }, text);
  made.addEventListener("click", async () => {
    made.disabled = true;
    try {
      await work();
    } finally {
      made.disabled = false;
    }
  });
  return made;
}
