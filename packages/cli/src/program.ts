// The commands and their options. What a command does is imported when it is chosen, so that help comes at once.
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { Failure, Gitspace } from "@gitspaces/contracts";
import { exitCode, exitCodes, sayFailure } from "./exit-code.ts";
import * as read from "./options.ts";
import type { Terminal } from "./terminal.ts";

export type CliContext = { terminal: Terminal; env: NodeJS.ProcessEnv; signal: AbortSignal };

/** What a command gives back when it ended without success yet has something to show beside the failure, or `shown` it already; or the exit code of what it ran. */
export type Ending = { failure: Failure; gitspace?: Gitspace; shown?: true } | { exitCode: number } | void;

/** Runs the command line and gives its exit code: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 timeout. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  const { terminal } = context;
  // Read before parsing, so that a usage error is an object too.
  terminal.json = beforeDashes(argv).includes("--json");
  let code: number = exitCodes.ok;
  const program = describe(async (work) => {
    const ending = await work();
    if (ending === undefined) return;
    if ("exitCode" in ending) {
      code = ending.exitCode;
      return;
    }
    if (!(ending.shown === true && terminal.json))
      sayFailure(terminal, ending.failure, ending.gitspace === undefined ? {} : { gitspace: ending.gitspace });
    code = exitCodes.failed;
  }, context);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitCodes.ok;
      const message = `${error.message.replace(/^error: /, "")}. See: gitspaces --help`.replace("..", ".");
      if (error.code === "commander.help") return exitCodes.usage;
      sayFailure(terminal, { code: "bad_request", message, retry: "never" });
      return exitCodes.usage;
    }
    const { FailureError, failure } = await import("@gitspaces/contracts");
    const said =
      error instanceof FailureError ? error.failure : failure("internal", `Unexpected: ${(error as Error).stack}`);
    sayFailure(terminal, said);
    return exitCode(said);
  }
}

type Run = (work: () => Promise<Ending>) => Promise<void>;

function describe(run: Run, context: CliContext): Command {
  const program = new Command("gitspaces");
  program
    .description("Remote development environments of a self-hosted installation")
    .option("--json", "write one JSON document to stdout")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.terminal.out(text.trimEnd()),
      writeErr: (text) => context.terminal.err(text.trimEnd()),
      outputError: () => undefined,
    })
    .helpCommand(false)
    .helpOption("-h, --help", "show this help")
    .showHelpAfterError(false)
    .addHelpText("after", footer);

  const command = (usage: string, description: string, parent: Command = program): Command =>
    parent
      .command(usage)
      .description(description)
      .option("--json", "write one JSON document to stdout")
      .copyInheritedSettings(program);
  const wait = (each: Command): Command =>
    each
      .option("--wait", "wait until it is done, with its timeline on stderr")
      .addOption(new Option("--timeout <seconds>", "how long to wait").argParser(seconds).default(900));

  command("login", "sign in; the token is read from stdin")
    .option("--url <url>", "the control plane's address")
    .option("--token-file <file>", "read the token from a file")
    .action((options) => run(async () => (await import("./commands/login.ts")).login(context, options)));
  wait(command("create <url>", "make a Gitspace of a repository and start it"))
    .option("-b, --branch <branch>", "a branch other than the default one")
    .option("-n, --name <name>", "a name other than the repository's")
    .option("--devcontainer <path>", "the devcontainer.json to use, where the repository has several")
    .addOption(new Option("--depth <commits>", "fetch so many commits only: a shallow clone").argParser(depth))
    .addOption(
      new Option("--filter <filter>", "leave contents out until they are needed: a partial clone").choices([
        "blob:none",
      ]),
    )
    .addOption(
      new Option("--auto-stop <minutes>", "stop it when nobody has used it for so long").argParser(idleMinutes),
    )
    .option("--pool <pool>", "the machine: a pool of the runner")
    .option("--git-token-file <file>", "a file with a token that may read the repository")
    .option("--git-user <user>", "the user name that goes with the token")
    .action((url, options) => run(async () => (await import("./commands/create.ts")).create(context, url, options)));
  command("list", "list Gitspaces")
    .alias("ls")
    .option("--deleted", "those that are deleted and can be taken back, and until when")
    .action((options) => run(async () => (await import("./commands/list.ts")).list(context, options)));
  command("show <id>", "show one Gitspace").action((id) =>
    run(async () => (await import("./commands/show.ts")).show(context, id)),
  );
  command("activity <id>", "show why a Gitspace is still running: who used it, and when it stops").action((id) =>
    run(async () => (await import("./commands/activity.ts")).activity(context, id)),
  );
  command("auto-stop <id>", "stop a Gitspace when nobody has used it for a while")
    .addArgument(new Argument("<minutes>", "idle minutes, or never").argParser(idleMinutes))
    .action((id, minutes) => run(async () => (await import("./commands/activity.ts")).autoStop(context, id, minutes)));
  wait(command("start <id>", "start a Gitspace")).action((id, options) =>
    run(async () => (await import("./commands/act.ts")).start(context, id, options)),
  );
  wait(command("stop <id>", "stop a Gitspace; its files are kept")).action((id, options) =>
    run(async () => (await import("./commands/act.ts")).stop(context, id, options)),
  );
  wait(command("cancel <id>", "give up a start; nothing of it is left, files are kept")).action((id, options) =>
    run(async () => (await import("./commands/act.ts")).cancel(context, id, options)),
  );
  wait(command("reset <id>", "give a Gitspace a fresh VM; its files are kept"))
    .option("-y, --yes", "do not ask")
    .action((id, options) => run(async () => (await import("./commands/act.ts")).reset(context, id, options)));
  wait(command("undelete <id>", "take a delete back, while the files are kept")).action((id, options) =>
    run(async () => (await import("./commands/act.ts")).undelete(context, id, options)),
  );
  wait(command("delete <id>", "delete a Gitspace and its files; they are kept for a while"))
    .alias("rm")
    .option("-y, --yes", "do not ask")
    .action((id, options) => run(async () => (await import("./commands/delete.ts")).remove(context, id, options)));
  command("logs <id>", "show what a Gitspace wrote while it started")
    .option("-f, --follow", "go on as more is written; with --json one document per line")
    .action((id, options) => run(async () => (await import("./commands/logs.ts")).logs(context, id, options)));
  command("events <id>", "show what happened to a Gitspace")
    .option("-f, --follow", "go on as more happens; with --json one document per line")
    .action((id, options) => run(async () => (await import("./commands/events.ts")).events(context, id, options)));
  command("open <id>", "print a link that signs in and opens a Gitspace; open it where there is a desktop").action(
    (id) => run(async () => (await import("./commands/open.ts")).open(context, id)),
  );

  command("ssh <id> [command...]", "log in to a Gitspace, or run a command there: gitspaces ssh ID -- COMMAND")
    .option("--websocket", "carry it inside HTTP, where a network lets nothing else out")
    .option("-A, --forward-agent", "let the Gitspace ask your ssh-agent")
    .addOption(new Option("-L, --forward <spec>", "forward a local port, as ssh has it").argParser(collect))
    .action((id, words, options) =>
      run(async () => (await import("./commands/ssh.ts")).ssh(context, id, words, options)),
    );
  command("config-ssh", "teach ssh and editors your Gitspaces: ssh gitspaces.ID")
    .option("--websocket", "carry all of it inside HTTP, where a network lets nothing else out")
    .option("--remove", "take out what was written")
    .option("--dry-run", "only show what would be written")
    .action((options) => run(async () => (await import("./commands/config-ssh.ts")).configSsh(context, options)));
  command("ssh-proxy <id>", "carry ssh's connection inside HTTP on stdin and stdout: a ProxyCommand")
    .option("--gateway <url>", "the gateways' address, with ID whole; the control plane is not asked then")
    .action((id, options) => run(async () => (await import("./commands/ssh-proxy.ts")).sshProxy(context, id, options)));
  const sshKey = command("ssh-key", "keys that you log in with over SSH");
  command("add <file>", "add the public key in a file, or on stdin for -", sshKey)
    .option("-n, --name <name>", "a name other than the key's comment")
    .action((file, options) =>
      run(async () => (await import("./commands/ssh-key.ts")).addSshKey(context, file, options)),
    );
  command("list", "list your keys", sshKey).action(() =>
    run(async () => (await import("./commands/ssh-key.ts")).listSshKeys(context)),
  );
  command("remove <key>", "remove a key by id, fingerprint or name; sessions opened with it end", sshKey).action(
    (key) => run(async () => (await import("./commands/ssh-key.ts")).removeSshKey(context, key)),
  );

  command("ports <id> [port]", "list ports and who reaches them, or say who may reach one")
    .addOption(
      new Option("--visibility <visibility>", "who may reach the port").choices(["private", "organisation", "public"]),
    )
    .action((id, port, options) =>
      run(async () =>
        (await import("./commands/sharing.ts")).ports(
          context,
          id,
          port === undefined ? undefined : read.port(port),
          options,
        ),
      ),
    );
  const scope = (each: Command): Command =>
    each
      .option("--path <path>", "only what is below this path")
      .addOption(
        new Option("--methods <methods>", "only these, between commas; UPGRADE for WebSockets").argParser(read.methods),
      )
      .addOption(new Option("--expires <span>", "how long it is good, such as 30m, 12h or 7d").argParser(read.span));
  scope(command("share <id> <port>", "make a link that opens one port to whoever has it"))
    .option("-n, --name <name>", "whom it is for")
    .action((id, port, options) =>
      run(async () => (await import("./commands/sharing.ts")).share(context, id, read.port(port), options)),
    );
  command("shares <id> [link]", "list links, or what was done with one").action((id, link) =>
    run(async () => (await import("./commands/sharing.ts")).shares(context, id, link)),
  );
  command("unshare <id> <link>", "take a link back, by its identifier; what runs over it is closed").action(
    (id, link) => run(async () => (await import("./commands/sharing.ts")).unshare(context, id, link)),
  );
  scope(command("narrow", "make a link that opens less of the one on stdin; nobody is asked")).action((options) =>
    run(async () => (await import("./commands/sharing.ts")).narrow(context, options)),
  );

  const access = command("access-token", "tokens by which programs reach your Gitspaces");
  command("create", "make a token; it is shown once", access)
    .requiredOption("-n, --name <name>", "what it is for")
    .addOption(new Option("--gitspace <id>", "only this one; may be repeated").argParser(read.several))
    .addOption(new Option("--port <port>", "only this one; may be repeated").argParser(read.ports))
    .addOption(new Option("--days <days>", "how long it is good").argParser(days).default(30))
    .action((options) =>
      run(async () => (await import("./commands/access-token.ts")).createAccessToken(context, options)),
    );
  command("list", "list access tokens", access).action(() =>
    run(async () => (await import("./commands/access-token.ts")).listAccessTokens(context)),
  );
  command("revoke <token>", "end an access token, by its identifier", access).action((id) =>
    run(async () => (await import("./commands/access-token.ts")).revokeAccessToken(context, id)),
  );

  command("doctor", "look at every hop of the installation and say what to mend (administrators)")
    .option("--data <folder>", "the data folder of a local installation")
    .option("--start [url]", "also make, start and delete a Gitspace of this repository, or of the local sample")
    .action((options) => run(async () => (await import("./commands/doctor.ts")).doctor(context, options)));

  const token = command("token", "personal tokens");
  command("create", "make a token; it is shown once", token)
    .requiredOption("-n, --name <name>", "what it is for")
    .option("--user <user>", "for somebody else (administrators)")
    .addOption(new Option("--days <days>", "how long it is good").argParser(days).default(90))
    .action((options) => run(async () => (await import("./commands/token.ts")).createToken(context, options)));
  command("list", "list tokens", token).action(() =>
    run(async () => (await import("./commands/token.ts")).listTokens(context)),
  );
  command("revoke <token>", "end a token, by its identifier", token).action((id) =>
    run(async () => (await import("./commands/token.ts")).revokeToken(context, id)),
  );

  const user = command("user", "users (administrators)");
  command("create <user>", "make a user", user)
    .requiredOption("-n, --name <name>", "the name people see")
    .requiredOption("--email <email>", "the address commits are made with")
    .action((id, options) => run(async () => (await import("./commands/user.ts")).createUser(context, id, options)));
  return program;
}

const footer = `
ID is a Gitspace's id, its name, or the beginning of either.
Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 timeout.
Signed in by GITSPACES_URL and GITSPACES_TOKEN_FILE, else by login, else at the local installation of bin/up.`;

function collect(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

function seconds(text: string): number {
  return counted(text, 86_400, "a number of seconds, at most a day");
}

function depth(text: string): number {
  return counted(text, 1_000_000, "a number of commits from 1 to 1000000");
}

/** `never` is null. */
function idleMinutes(text: string): number | null {
  return text === "never" ? null : counted(text, 43_200, "a number of minutes from 1 to 43200, or never");
}

function days(text: string): number {
  return counted(text, 365, "a number of days from 1 to 365");
}

function counted(text: string, most: number, what: string): number {
  if (/^[1-9][0-9]*$/.test(text) && Number(text) <= most) return Number(text);
  throw new InvalidArgumentError(`It should be ${what}.`);
}

function beforeDashes(argv: readonly string[]): readonly string[] {
  const dashes = argv.indexOf("--");
  return dashes === -1 ? argv : argv.slice(0, dashes);
}
