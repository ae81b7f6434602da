// The page behind every link: it takes the secret out of the address, where it never reached a server or a log, trades it for a
// cookie, and goes on to a clean address.
import type { ServerResponse } from "node:http";
import { digest } from "../page-frame.ts";

const style =
  ":root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;font:16px/1.55 system-ui,sans-serif}";

const script = `(async()=>{const say=t=>{document.querySelector("p").textContent=t};
const text=location.hash.slice(1);history.replaceState(null,"",location.pathname);
if(!text)return say("This link is not whole. Open it again as it was given to you.");
try{const answer=await fetch(location.pathname,{method:"POST",headers:{authorization:"Bearer "+text},cache:"no-store"});
const told=await answer.json();if(!answer.ok)return say(told.detail);location.replace(told.to)}
catch{say("The link could not be opened just now. Open it again.")}})()`;

const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Shared with you</title><style>${style}</style></head><body><p role="status">Opening…</p><noscript>This link needs JavaScript once, so that its secret stays out of every log.</noscript><script>${script}</script></body></html>\n`;

const policy = [
  "default-src 'none'",
  `style-src ${digest(style)}`,
  `script-src ${digest(script)}`,
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Sends the page; it is the same on every host, whatever is there. */
export function sendSharePage(response: ServerResponse): void {
  response.writeHead(200, {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Length": Buffer.byteLength(html),
    "Content-Security-Policy": policy,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(html);
}
