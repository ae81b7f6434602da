// Who wants a Gitspace, and what only asks in the background: the whole table.
import { expect, test } from "vitest";
import { type Intent, intentOf } from "./intent.ts";

const chrome = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140", "accept-language": "en" };
const page = "text/html,application/xhtml+xml,*/*;q=0.8";
const fetchOf = (dest: string, site = "same-origin", mode = "cors") => ({
  ...chrome,
  accept: "*/*",
  "sec-fetch-site": site,
  "sec-fetch-mode": mode,
  "sec-fetch-dest": dest,
});
const navigation = (site: string, more: Record<string, string> = {}) => ({
  ...chrome,
  accept: page,
  "sec-fetch-site": site,
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
  ...more,
});
const byPerson = { "sec-fetch-user": "?1" };

type Row = [string, Intent, { method?: string; url?: string; headers?: Record<string, string>; isUpgrade?: boolean }];
const rows: Row[] = [
  ["an address that is typed", "page", { headers: navigation("none", byPerson) }],
  ["a tab that a browser restores", "page", { headers: navigation("none") }],
  ["a link on another site", "page", { headers: navigation("cross-site", byPerson) }],
  ["a link in a browser that does not tell clicks", "page", { headers: navigation("cross-site") }],
  ["a page that its person loads again", "page", { headers: navigation("same-origin", byPerson) }],
  ["a page that loads itself again", "look", { headers: navigation("same-origin") }],
  ["a frame inside another page", "look", { headers: navigation("cross-site", { "sec-fetch-dest": "iframe" }) }],
  ["a form that a person sends", "hold", { method: "POST", headers: navigation("same-origin", byPerson) }],
  ["a form that sends itself", "background", { method: "POST", headers: navigation("same-origin") }],
  ["what a page fetches", "background", { headers: fetchOf("empty") }],
  ["what a page sends", "background", { method: "POST", headers: fetchOf("empty") }],
  ["what a page of a sibling fetches", "background", { headers: fetchOf("empty", "same-site") }],
  ["an image, such as the icon of a tab", "background", { headers: fetchOf("image", "same-origin", "no-cors") }],
  ["a script of a page that is open", "background", { headers: fetchOf("script", "same-origin", "no-cors") }],
  [
    "a service worker that looks for its update",
    "background",
    { headers: fetchOf("serviceworker", "same-origin", "same-origin") },
  ],
  [
    "a page fetched ahead of a click",
    "background",
    { headers: navigation("none", { "sec-purpose": "prefetch;prerender" }) },
  ],
  ["a page fetched ahead, the old way", "background", { headers: { accept: page, purpose: "prefetch" } }],
  [
    "a WebSocket of a page",
    "background",
    { isUpgrade: true, headers: fetchOf("websocket", "same-origin", "websocket") },
  ],
  ["a WebSocket of a program", "background", { isUpgrade: true, headers: {} }],
  [
    "an editor that comes back",
    "background",
    { url: "/?reconnectionToken=0b1c&reconnection=true&skipWebSocketFrames=false" },
  ],
  [
    "an editor that comes back by another path",
    "background",
    { url: "/stable-1a/?x=1&reconnectionToken=0b1c", headers: { accept: page } },
  ],
  ["a preflight", "background", { method: "OPTIONS", headers: fetchOf("empty", "same-site") }],
  ["curl", "hold", { headers: { accept: "*/*", "user-agent": "curl/8.14.1" } }],
  ["a program that sends something", "hold", { method: "POST", headers: { accept: "application/json" } }],
  ["a program that says nothing about itself", "hold", { headers: { "user-agent": "Go-http-client/1.1" } }],
  [
    "fetch of Node, which tells its mode alone",
    "hold",
    { headers: { accept: "*/*", "sec-fetch-mode": "cors", "user-agent": "node" } },
  ],
  ["a browser where no origin is secure", "page", { headers: { ...chrome, accept: page } }],
  ["a fetch where no origin is secure", "background", { headers: { ...chrome, accept: "*/*" } }],
  [
    "a path that only sounds like an editor's",
    "hold",
    { url: "/docs/reconnectionToken", headers: { "user-agent": "curl/8" } },
  ],
];

test.each(rows)("%s: %s", (_what, intent, { method = "GET", url = "/", headers = {}, isUpgrade = false }) => {
  expect(intentOf({ method, url, headers, isUpgrade })).toBe(intent);
});
