// What Docker asks now and then: can this container's daemon do its work? The answer of its own admin listener, with the reasons.
import { get } from "node:http";
import { text } from "node:stream/consumers";

const DEADLINE_MS = 4_000;
const listen = process.env["GITSPACES_ADMIN_LISTEN"] ?? "";

get(`http://${listen}/readyz`, { signal: AbortSignal.timeout(DEADLINE_MS) }, (response) => {
  void text(response).then((answer) => {
    process.stdout.write(answer);
    process.exitCode = response.statusCode === 200 ? 0 : 1;
  });
}).once("error", (error) => {
  process.stdout.write(`The admin listener ${listen} does not answer: ${error.message}\n`);
  process.exitCode = 1;
});
