// What git's words about a failed clone mean. git has one exit code for all of them, so its (untranslated) words are read.
import { type Failure, failure } from "@gitspaces/contracts";

type Meaning = { when: RegExp; tell: (host: string, branch: string) => Failure };

const unreachable = (message: string, retry: Failure["retry"]) => failure("repository_unreachable", message, { retry });

const meanings: readonly Meaning[] = [
  {
    when: /Remote branch .* not found|Could not find remote branch/,
    tell: (_, branch) =>
      failure("bad_request", `The repository has no branch "${branch}"; check its name.`, { field: "branch" }),
  },
  {
    when: /No space left on device|Disk quota exceeded/i,
    tell: () => failure("disk_full", "The home disk is full; the repository does not fit."),
  },
  {
    when: /Could not resolve (?:host|proxy)/i,
    tell: (host) => unreachable(`The host ${host} is not known; check the repository's URL.`, "later"),
  },
  {
    when: /SSL certificate|certificate verification|server certificate|SSL_connect|TLS connect|gnutls_handshake|wrong version number|SSL peer/i,
    tell: (host) =>
      unreachable(`${host} could not be trusted: its TLS certificate or connection is not valid.`, "later"),
  },
  {
    when: /could not read (?:Username|Password)|Authentication failed|returned error: 40[13]|HTTP Basic: Access denied/i,
    tell: (host) =>
      unreachable(
        `${host} wants other credentials: the repository is private or not there. Make the Gitspace with a token that may read it (--git-token-file, or code_repo_token).`,
        "never",
      ),
  },
  {
    when: /repository .* not found|returned error: 404|not valid: is this a git repository|does not appear to be a git repository/i,
    tell: (host) => unreachable(`There is no such git repository on ${host}; check the URL.`, "never"),
  },
  {
    when: /Connection refused/i,
    tell: (host) =>
      unreachable(`${host} did not answer (connection refused); check the URL, or try again later.`, "later"),
  },
  {
    when: /Failed to connect|Connection timed out|Couldn't connect|Connection reset|Empty reply|returned error: 5\d\d|early EOF|hung up|Operation timed out|unreachable/i,
    tell: (host) => unreachable(`${host} did not answer as it should; try again later.`, "later"),
  },
  {
    when: /transport '.*' not allowed|protocol '.*' is not|not allowed/i,
    tell: () => failure("bad_request", "Only https and http repositories are cloned.", { field: "repository.url" }),
  },
];

const passing =
  /Could not resolve|Connection (?:refused|timed out|reset)|Failed to connect|Couldn't connect|Empty reply|returned error: 5\d\d|early EOF|hung up|RPC failed|Operation timed out|transfer closed|unexpected disconnect/i;

/** Whether the same clone may succeed a moment later: the network or the server's own trouble was in the way. */
export function isPassing(lines: readonly string[]): boolean {
  return passing.test(lines.join("\n"));
}

/** The failure behind a clone's last lines. */
export function explainClone(lines: readonly string[], url: string, branch: string | undefined): Failure {
  const text = lines.join("\n");
  const found = meanings.find(({ when }) => when.test(text));
  if (found !== undefined) return found.tell(new URL(url).host, branch ?? "");
  const last = lines.findLast((line) => /^(?:fatal|error|remote):/.test(line)) ?? "git gave no reason";
  return unreachable(`The repository could not be cloned: ${last}`, "later");
}
