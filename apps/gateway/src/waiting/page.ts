// The page of those who wait: what is done for them and how far it is, live. It loads nothing, works without a script, and becomes
// the Gitspace by itself.
import { digest, escape } from "../page-frame.ts";
import { keyOf, type View } from "./view.ts";
import type { Step } from "./steps.ts";

const style = `:root{color-scheme:light dark;--ink:#172033;--soft:#5b6577;--faint:#98a2b3;--paper:#f3f5f9;--card:#fff;--line:#e3e7ee;--accent:#2457d6;--glow:#2457d61f;--good:#12855a;--bad:#c0362c;--badback:#fdf1f0}
@media(prefers-color-scheme:dark){:root{--ink:#e9ecf3;--soft:#a0aabb;--faint:#667085;--paper:#0f1218;--card:#181c24;--line:#2a303c;--accent:#86a8ff;--glow:#86a8ff26;--good:#4cc38a;--bad:#ff8a80;--badback:#2a1917}}
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:start center;padding:max(1.5rem,16vh) 1.5rem 1.5rem;background:radial-gradient(60rem 30rem at 50% -8rem,var(--glow),transparent),var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{width:min(32rem,100%);background:var(--card);border:1px solid var(--line);border-radius:16px;padding:2rem 2rem 1.5rem;box-shadow:0 1px 2px #0000000a,0 18px 48px -24px #0003}
.brand{display:flex;align-items:center;gap:.5rem;margin:0 0 1.25rem;color:var(--soft);font-size:.8125rem;font-weight:600}
.brand svg{width:1.125rem;height:1.125rem;color:var(--accent)}
h1{margin:0;font-size:1.5rem;line-height:1.25;letter-spacing:-.015em;overflow-wrap:anywhere}
.text{margin:.375rem 0 0;color:var(--soft);overflow-wrap:anywhere}
.reason{margin:1.25rem 0 0;padding:.75rem 1rem;border-radius:10px;background:var(--badback);color:var(--bad);font-size:.9375rem;overflow-wrap:anywhere}
ol{list-style:none;margin:1.5rem 0 0;padding:0}
li{position:relative;display:grid;grid-template-columns:1.5rem 1fr auto;gap:0 .75rem;padding-bottom:1.125rem}
li:last-child{padding-bottom:.25rem}
li::before{content:"";position:absolute;left:.6875rem;top:1.5rem;bottom:0;width:2px;background:var(--line)}li:last-child::before{display:none}li.done::before{background:var(--good);opacity:.45}
.mark{width:1.5rem;height:1.5rem;border-radius:50%;border:2px solid var(--line);display:grid;place-items:center;color:var(--card)}
.mark svg{width:.875rem;height:.875rem}
.done .mark{background:var(--good);border-color:var(--good)}.failed .mark{background:var(--bad);border-color:var(--bad)}
.active .mark{border-color:var(--glow);border-top-color:var(--accent);animation:turn .9s linear infinite}
.what{min-width:0}.what b{display:block;font-weight:600;line-height:1.5rem}.ahead b{font-weight:500;color:var(--faint)}
.what small{display:block;color:var(--soft);font-size:.8125rem;line-height:1.35;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.failed small{white-space:normal}
.took{color:var(--faint);font-size:.8125rem;line-height:1.5rem;font-variant-numeric:tabular-nums}
.row{display:flex;flex-wrap:wrap;align-items:center;gap:.75rem 1rem;margin-top:1.5rem}
button{padding:.5625rem 1.125rem;border:0;border-radius:9px;background:var(--accent);color:var(--card);font:inherit;font-weight:600;cursor:pointer}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}button:focus-visible,a:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.row a{font-size:.9375rem}.foot{margin:1.25rem 0 0;padding-top:1rem;border-top:1px solid var(--line);display:flex;justify-content:space-between;gap:1rem;color:var(--faint);font-size:.8125rem}
@keyframes turn{to{transform:rotate(1turn)}}@media(prefers-reduced-motion:reduce){.mark{animation:none!important}}`;

/**
 * Takes each new view as it comes. The clocks go on by themselves; what is drawn comes from the gateway, escaped there. A stream that
 * breaks is opened again by the browser; one that is refused is not, so the page comes anew.
 */
const script = `(()=>{const box=document.querySelector("main"),{key,to}=document.body.dataset;let drawn=performance.now();
const clock=ms=>ms<9950?(ms/1e3).toFixed(1)+" s":ms<6e4?Math.round(ms/1e3)+" s":Math.floor(ms/6e4)+" min "+Math.round(ms%6e4/1e3)+" s";
setInterval(()=>{for(const each of box.querySelectorAll("[data-ms]"))each.textContent=clock(+each.dataset.ms+performance.now()-drawn)},100);
const stream=new EventSource("/.gitspaces/progress?key="+key);
stream.addEventListener("view",({data})=>{const{title,html}=JSON.parse(data);const had=document.activeElement?.id;document.title=title;box.innerHTML=html;drawn=performance.now();if(had)document.getElementById(had)?.focus()});
stream.addEventListener("ready",()=>{stream.close();to?location.replace(to):location.reload()});
stream.onerror=()=>{if(stream.readyState===2)setTimeout(()=>location.replace("/.gitspaces/waiting?to="+encodeURIComponent(to||location.pathname+location.search)),2000)};
stream.addEventListener("over",()=>{stream.close();location.reload()})})()`;

const tick = `<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="m3.5 8.5 3 3 6-7"/></svg>`;
const cross = `<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true"><path d="m4.5 4.5 7 7m0-7-7 7"/></svg>`;
const brand = `<p class="brand"><svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><rect x="3" y="4" width="18" height="16" rx="3.5"/><path d="m8 10 2.5 2.5L8 15m5 0h3.5"/></svg>Gitspaces</p>`;

/** Headers that go with the page. */
export function waitingHeaders(): Record<string, string> {
  const policy = [
    "default-src 'none'",
    `style-src ${digest(style)}`,
    `script-src ${digest(script)}`,
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ];
  return {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": policy.join("; "),
    "Cache-Control": "no-store",
    // Under no-referrer a browser posts the form with the origin "null", which could be anybody's.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
  };
}

type Shown = { view: View; now: number };

/**
 * The whole page. `to` is where it leads once the Gitspace runs, a path of this host; without a script the page comes anew every two
 * seconds from an address that starts nothing. `isBeside`: it stands at another address than `to`.
 */
export function renderWaiting({ view, now, to, isBeside }: Shown & { to: string; isBeside: boolean }): string {
  const beside = `/.gitspaces/waiting?${new URLSearchParams({ to }).toString()}`;
  const refresh = `<noscript><meta http-equiv="refresh" content="2;url=${escape(beside)}"></noscript>`;
  const data = `data-key="${keyOf(view)}"${isBeside ? ` data-to="${escape(to)}"` : ""}`;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escape(view.heading)}</title>${refresh}<style>${style}</style></head><body ${data}><main role="status" aria-live="polite">${renderView({ view, now, to })}</main><script>${script}</script></body></html>\n`;
}

/** What changes of the page. Every text is escaped here. */
export function renderView({ view, now, to }: Shown & { to: string }): string {
  const { heading, text, reason, steps, start, manageUrl } = view;
  const action = `/.gitspaces/start?${new URLSearchParams({ to }).toString()}`;
  const button =
    start === undefined
      ? ""
      : `<form method="post" action="${escape(action)}"><button id="start">${escape(start)}</button></form>`;
  const link = manageUrl === undefined ? "" : `<a id="manage" href="${escape(manageUrl)}">Timeline and log</a>`;
  const began = steps[0]?.since;
  const isOn = steps.some(({ state }) => state === "active");
  const elapsed = began !== undefined && isOn ? `<span>${clock(now - began, "data-ms")}</span>` : "";
  return [
    `${brand}<h1>${escape(heading)}</h1><p class="text">${escape(text)}</p>`,
    reason === undefined ? "" : `<p class="reason">${escape(reason)}</p>`,
    steps.length === 0 ? "" : `<ol>${steps.map((step) => renderStep(step, now)).join("")}</ol>`,
    start === undefined ? "" : `<div class="row">${button}${link}</div>`,
    start !== undefined || manageUrl === undefined ? "" : `<p class="foot">${link}${elapsed}</p>`,
  ].join("");
}

function renderStep({ title, state, detail, since, until }: Step, now: number): string {
  const mark = state === "done" ? tick : state === "failed" ? cross : "";
  const took = since === undefined ? "" : until === undefined ? clock(now - since, "data-ms") : clock(until - since);
  const small = detail === "" ? "" : `<small>${escape(detail)}</small>`;
  return `<li class="${state}"${state === "active" ? ` aria-current="step"` : ""}><span class="mark">${mark}</span><span class="what"><b>${escape(title)}</b>${small}</span><span class="took">${took}</span></li>`;
}

function clock(ms: number, attribute?: string): string {
  const whole = Math.max(0, Math.round(ms));
  const text =
    whole < 59_500 ? `${(whole / 1_000).toFixed(whole < 9_950 ? 1 : 0)} s` : `${Math.round(whole / 60_000)} min`;
  return attribute === undefined ? text : `<span aria-hidden="true" ${attribute}="${whole}">${text}</span>`;
}
