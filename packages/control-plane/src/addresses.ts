// Where things are reached: Gitspaces under their own domain, everything else at the control plane.
import { IDE_PORT, parseTarget, type Target } from "@gitspaces/contracts";

export class Addresses {
  readonly #base: URL;

  /** `gitspacesUrl` such as `http://gitspaces.localhost:7401`: Gitspace hosts are labels under its host. */
  constructor(gitspacesUrl: string) {
    this.#base = new URL(gitspacesUrl);
  }

  /** The name under which Gitspaces are hosts. */
  get domain(): string {
    return this.#base.hostname;
  }

  /** The address of which Gitspaces are hosts. */
  get url(): string {
    return this.#base.origin;
  }

  /** The origin of a Gitspace's port, without a path; the IDE's when no port is given. */
  gitspace(id: string, port = IDE_PORT): string {
    const label = port === IDE_PORT ? id : `${port}--${id}`;
    return this.#at(`${label}.${this.#base.hostname}`);
  }

  /** Reads a Gitspace host as a browser was on it: what it names and its origin; nothing when it is not under our domain. */
  parse(host: string): { target: Target; origin: string } | undefined {
    const [, name, port] = /^([a-z0-9.-]+)(?::([0-9]{1,5}))?$/.exec(host.toLowerCase()) ?? [];
    if (name === undefined || (port !== undefined && port !== this.#port())) return undefined;
    const target = parseTarget(name, this.#base.hostname);
    return target === undefined ? undefined : { target, origin: this.#at(name) };
  }

  #at(host: string): string {
    return `${this.#base.protocol}//${host}${this.#base.port === "" ? "" : `:${this.#base.port}`}`;
  }

  #port(): string {
    return this.#base.port === "" ? (this.#base.protocol === "https:" ? "443" : "80") : this.#base.port;
  }
}

/** A path on the same host, for a redirect: one leading slash, nothing a browser could read as another host. */
export function safePath(text: string | undefined): string {
  if (text === undefined || !/^\/(?![/\\])/.test(text) || /[\\\u0000-\u001f\u007f]/.test(text)) return "/";
  return text;
}
