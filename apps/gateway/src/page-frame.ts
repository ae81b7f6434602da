// The look of the gateway's own pages: one small self-contained file, light and dark, nothing loaded from anywhere.
import { createHash } from "node:crypto";

/** `state`: until the Gitspace's state is another one. `again`: a new try every two seconds. */
export type Waits = "state" | "again";
export type Page = {
  title: string;
  heading: string;
  text: string;
  link?: { href: string; label: string };
  /** A button that posts to the page's own address, and the origin to which the answer leads on. */
  action?: { label: string; leadsTo: string };
  waits?: Waits;
};

const style = `:root{color-scheme:light dark;--ink:#1c2330;--soft:#5b6577;--paper:#f6f7f9;--card:#fff;--line:#dfe3ea;--accent:#2457d6}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf1;--soft:#9aa4b6;--paper:#12151b;--card:#1b2029;--line:#2d3441;--accent:#7da2ff}}
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{width:min(30rem,100%);background:var(--card);border:1px solid var(--line);border-radius:12px;padding:2rem}
h1{margin:0 0 .5rem;font-size:1.35rem;line-height:1.3;overflow-wrap:anywhere}p{margin:0;color:var(--soft);overflow-wrap:anywhere}
a,button{display:inline-block;margin-top:1.25rem;padding:.55rem 1rem;border:0;border-radius:8px;background:var(--accent);color:var(--card);font:inherit;text-decoration:none;cursor:pointer}
a:focus-visible,button:focus-visible{outline:3px solid var(--ink);outline-offset:2px}
.dots{display:flex;gap:.4rem;margin-top:1.25rem}.dots i{width:.55rem;height:.55rem;border-radius:50%;background:var(--accent);animation:b 1.2s infinite}.dots i+i{animation-delay:.2s}.dots i+i+i{animation-delay:.4s}
@keyframes b{0%,60%,100%{opacity:.25}30%{opacity:1}}@media(prefers-reduced-motion:reduce){.dots i{animation:none}}`;

/** Asks where the Gitspace is, and loads the page again as soon as the answer is another one. */
const script = `(async()=>{if(document.body.dataset.waits==="again")return setTimeout(()=>location.reload(),2000);
const get=async q=>(await fetch("/.gitspaces/state"+q,{cache:"no-store"})).text();
let seen="";for(;;){try{const now=await get(seen?"?wait=1":"");if(seen&&now!==seen)return location.reload();seen=now;const s=JSON.parse(now).situation;if(s==="ready")return location.reload()}catch{}
await new Promise(r=>setTimeout(r,1000))}})()`;

/** How a content security policy names an inline style or script. */
export const digest = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
/** Headers that go with a page of ours. */
export function pageHeaders({ action }: Page): Record<string, string> {
  const policy = [
    "default-src 'none'",
    `style-src ${digest(style)}`,
    `script-src ${digest(script)}`,
    "connect-src 'self'",
    // Browsers hold a form to this on its redirects as well.
    `form-action 'self'${action === undefined ? "" : ` ${new URL(action.leadsTo).origin}`}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ];
  return {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": policy.join("; "),
    "Cache-Control": "no-store",
    // Under no-referrer a browser posts with the origin "null", which could be anybody's.
    "Referrer-Policy": action === undefined ? "no-referrer" : "same-origin",
    "X-Content-Type-Options": "nosniff",
  };
}

/** The page as HTML. Every text is escaped here. */
export function renderPage({ title, heading, text, link, action, waits }: Page): string {
  const extras = [
    link === undefined ? "" : `<a href="${escape(link.href)}">${escape(link.label)}</a>`,
    action === undefined ? "" : `<form method="post"><button>${escape(action.label)}</button></form>`,
    // Where the person has to act, nothing is going on that dots could stand for.
    waits !== undefined && link === undefined
      ? `<div class="dots" role="status" aria-label="waiting"><i></i><i></i><i></i></div>`
      : "",
    waits === undefined ? "" : `<script>${script}</script>`,
  ];
  const refresh = waits !== undefined ? `<noscript><meta http-equiv="refresh" content="2"></noscript>` : "";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escape(title)}</title>${refresh}<style>${style}</style></head><body data-waits="${waits ?? "no"}"><main><h1>${escape(heading)}</h1><p>${escape(text)}</p>${extras.join("")}</main></body></html>\n`;
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
/** Text inside HTML. */
export function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? "");
}
