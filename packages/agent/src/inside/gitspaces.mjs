// The command `gitspaces` inside a dev container: asks the agent of this Gitspace through its one socket.
import { request } from "node:http";

const DOOR = process.env["GITSPACES_DOOR"] ?? "/run/gitspaces/door.sock";
const DEADLINE_MS = 15_000;
const HELP = `Usage: gitspaces COMMAND [--json]

  ports   the ports of this Gitspace that listen
  env     the variables of this Gitspace, for a terminal that is older than they are: eval "$(gitspaces env)"
  stop    asks for this Gitspace to be stopped

  --json  the answer as JSON
  --help  this text
`;

class Refused extends Error {}

function ask(method, path) {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: DOOR, method, path, timeout: DEADLINE_MS }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.on("end", () => {
        const body = text === "" ? {} : JSON.parse(text);
        if (response.statusCode === 200) resolve(body);
        else reject(new Refused(body.detail ?? `the answer was ${response.statusCode}`));
      });
    });
    asking.on("timeout", () => asking.destroy(new Error("it did not answer in time")));
    asking.on("error", (error) => reject(new Error(`The agent of this Gitspace does not answer: ${error.message}`)));
    asking.end();
  });
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const commands = {
  ports: {
    ask: () => ask("GET", "/ports"),
    show: ({ ports }) => ports.map(({ port, label }) => (label === undefined ? `${port}` : `${port}\t${label}`)),
  },
  env: {
    ask: () => ask("GET", "/env"),
    show: ({ env }) =>
      Object.entries(env).flatMap(([name, value]) =>
        /^[A-Za-z_]\w*$/.test(name) ? [`export ${name}=${quoted(value)}`] : [],
      ),
  },
  stop: { ask: () => ask("POST", "/stop"), show: () => ["Stopping."] },
};

async function main(args) {
  const asJson = args.includes("--json");
  const [name, ...more] = args.filter((each) => each !== "--json");
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(HELP);
    return 0;
  }
  const command = Object.hasOwn(commands, name ?? "") ? commands[name] : undefined;
  if (command === undefined || more.length > 0) {
    process.stderr.write(HELP);
    return 64;
  }
  const answer = await command.ask();
  process.stdout.write(
    asJson
      ? `${JSON.stringify(answer)}\n`
      : command
          .show(answer)
          .map((line) => `${line}\n`)
          .join(""),
  );
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`gitspaces: ${error.message}\n`);
  process.exitCode = error instanceof Refused ? 1 : 69;
}
