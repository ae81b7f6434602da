// What people read when their Gitspace is not there: one page per situation, each with the next step.
import { type Failure, failure, IDE_PORT } from "@gitspaces/contracts";
import type { Page, Waits } from "./page-frame.ts";
import type { Situation } from "./verdict.ts";

/** A page and the same told to a program. */
export type Told = { page: Page; failure: Failure; status: number };

type About = { name: string; manageUrl: string };

type Words = { status: number; heading: string; text: string; link?: string; waits: Waits };

const words: Record<Situation, Words> = {
  starting: {
    status: 503,
    heading: "is starting",
    text: "This page becomes your Gitspace as soon as it is up.",
    waits: "state",
  },
  stopping: {
    status: 503,
    heading: "is stopping",
    text: "Your files are kept. Start it again whenever you like.",
    waits: "state",
  },
  stopped: {
    status: 503,
    heading: "is stopped",
    text: "Your files are safe. Start it, and this page becomes your Gitspace.",
    link: "Start it",
    waits: "state",
  },
  error: {
    status: 503,
    heading: "did not start",
    text: "Its page says what went wrong and lets you try again.",
    link: "Open its page",
    waits: "state",
  },
  unreachable: {
    status: 502,
    heading: "can not be reached",
    text: "Its machine does not answer. This page tries again by itself.",
    link: "Open its page",
    waits: "again",
  },
};

/** Why the Gitspace can not be shown yet. */
export function tellSituation(situation: Situation, { name, manageUrl }: About): Told {
  const { status, heading: claim, text, link, waits } = words[situation];
  const heading = `${name} ${claim}`;
  return told(status, {
    title: heading,
    heading,
    text,
    waits,
    ...(link === undefined ? {} : { link: { href: manageUrl, label: link } }),
  });
}

/** The VM is well, but nothing listens on the port. */
export function tellNotListening(name: string, port: number): Told {
  if (port === IDE_PORT) {
    const heading = `The editor of ${name} is not up yet`;
    return told(502, { title: name, heading, text: "This page tries again by itself.", waits: "again" });
  }
  return told(502, {
    title: `Port ${port} of ${name}`,
    heading: `Nothing listens on port ${port} of ${name}`,
    text: "Start your server; this page reloads by itself.",
    waits: "again",
  });
}

/** Something listens on the port, but it ended the connection without an answer. */
export function tellBrokeOff(name: string, port: number): Told {
  const what = port === IDE_PORT ? `The editor of ${name}` : `Port ${port} of ${name}`;
  const heading = `${what} gave no answer`;
  const text = "What listens there broke off the connection. This page tries again by itself.";
  return told(502, { title: what, heading, text, waits: "again" });
}

/** No such Gitspace, or none that this person may see: the same bytes for both. */
export const unknownPlace: Told = told(404, {
  title: "No Gitspace here",
  heading: "There is no Gitspace here",
  text: "Nothing by this name can be reached with your account. Check the address, or ask its owner to share it with you.",
});

/** Something was refused for a reason that may be told. */
export function tellRefusal(reason: Failure, status: number, link?: Page["link"]): Told {
  const page = {
    title: "Not possible",
    heading: "This did not work",
    text: reason.message,
    ...(link === undefined ? {} : { link }),
  };
  return { page, failure: reason, status };
}

/** Asks before a sign-out; afterwards the control plane is shown. */
export function signOutPage(controlPlanePublicUrl: string): Page {
  return {
    title: "Sign out",
    heading: "Sign out of this Gitspace?",
    text: "Open windows of it on this address are closed.",
    action: { label: "Sign out", leadsTo: controlPlanePublicUrl },
  };
}

function told(status: number, page: Page): Told {
  const code = status === 404 ? "not_found" : "vm_unreachable";
  return { page, failure: failure(code, `${page.heading}. ${page.text}`), status };
}
