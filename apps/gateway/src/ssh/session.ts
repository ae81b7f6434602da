// One session (RFC 4254 section 6) of a person, joined to one of the workplace's: terminal, environment, signals and exit status.
import type { Client, ClientChannel, PseudoTtyInfo, ServerChannel, Session } from "ssh2";
import { toFailure } from "@gitspaces/contracts";

/** Of all variables of a session, names and values. */
const MOST_VARIABLE_BYTES = 32 * 1024;
/** What a client sees when there is nothing to run. */
const NOTHING_RAN = 255;

type Asked = { env: Record<string, string>; pty: PseudoTtyInfo | undefined; withAgent: boolean };
type Open = (client: Client, asked: Asked, answer: (error: Error | undefined, channel: ClientChannel) => void) => void;

/**
 * Serves a session. What is asked for is accepted at once, as a client may say at once that it has nothing more to send. `over` is
 * called when what ran in it has ended; ssh2 keeps a session in which nothing ran for as long as its connection lasts.
 */
export function serveSession(session: Session, reach: () => Promise<Client>, over: () => void): void {
  const asked: Asked = { env: {}, pty: undefined, withAgent: false };
  let variableBytes = 0;
  let inner: ClientChannel | undefined;

  session.on("env", (accept, _reject, { key, val }) => {
    variableBytes += key.length + val.length;
    if (variableBytes <= MOST_VARIABLE_BYTES) asked.env[key] = val;
    accept?.();
  });
  session.on("pty", (accept, _reject, pty) => {
    asked.pty = pty;
    accept?.();
  });
  session.on("window-change", (accept, _reject, window) => {
    if (asked.pty !== undefined) Object.assign(asked.pty, window);
    inner?.setWindow(window.rows, window.cols, window.height, window.width);
    accept?.();
  });
  session.on("signal", (accept, _reject, { name }) => {
    inner?.signal(name);
    accept?.();
  });
  session.on("auth-agent", (accept) => {
    asked.withAgent = true;
    accept?.();
  });

  const begin = (channel: ServerChannel, open: Open): void => {
    // What comes for a session that its client has just closed can not be said any more; an error nobody hears ends the process.
    for (const each of [channel, channel.stderr]) each.on("error", () => {});
    channel.once("close", over);
    reach()
      .then(
        async (client) =>
          await opening(client, asked, open, (opened) => {
            inner = opened;
            join(channel, opened);
          }),
      )
      .catch((error: unknown) => refuse(channel, error));
  };
  session.on("shell", (accept) =>
    begin(accept(), (client, { env, pty, withAgent }, answer) =>
      client.shell(pty ?? false, { env, ...forwardAgent(withAgent) }, answer),
    ),
  );
  session.on("exec", (accept, _reject, { command }) =>
    begin(accept(), (client, { env, pty, withAgent }, answer) =>
      client.exec(command, { env, ...(pty === undefined ? {} : { pty }), ...forwardAgent(withAgent) }, answer),
    ),
  );
  session.on("subsystem", (accept, _reject, { name }) =>
    begin(accept(), (client, _asked, answer) => client.subsys(name, answer)),
  );
}

/** ssh2 obeys it; its types do not know. */
function forwardAgent(agentForward: boolean): object {
  return { agentForward };
}

/** `take` is called at once: exit status and end may be in the very packet that says that it began. */
async function opening(
  client: Client,
  asked: Asked,
  open: Open,
  take: (channel: ClientChannel) => void,
): Promise<void> {
  return await new Promise((resolve, reject) => {
    const ended = () => reject(new Error("The Gitspace's connection ended."));
    client.once("close", ended);
    open(client, asked, (error, channel) => {
      client.off("close", ended);
      if (error !== undefined) return reject(error);
      take(channel);
      resolve();
    });
  });
}

/** Says why on the channel, where the person sees it. */
export function refuse(channel: ServerChannel, error: unknown): void {
  channel.stderr.write(`${toFailure(error).message}\r\n`);
  channel.exit(NOTHING_RAN);
  channel.end();
  channel.resume();
}

function join(person: ServerChannel, workplace: ClientChannel): void {
  const over = new Promise<void>((resolve) => workplace.once("close", () => resolve()));
  workplace.on("error", () => {});
  person.pipe(workplace);
  workplace.pipe(person, { end: false });
  workplace.stderr.pipe(person.stderr, { end: false });
  let left: () => void = () => person.exit(NOTHING_RAN);
  workplace.once("exit", (code: number | null, signal?: string, isDumped?: string, description?: string) => {
    // ssh2 takes the name of a signal without SIG and tells it with it; the dump is a boolean, whatever its types say.
    if (code !== null) left = () => person.exit(code);
    else left = () => person.exit((signal ?? "TERM").replace(/^SIG/, ""), String(isDumped) === "true", description);
  });
  person.once("close", () => {
    workplace.end();
    workplace.close();
  });
  void over.then(() => {
    left();
    person.end();
    person.resume();
  });
}
