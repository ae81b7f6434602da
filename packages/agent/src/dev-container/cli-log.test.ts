// What the reference implementation writes, as people and the timeline hear it.
import { expect, test } from "vitest";
import { readCliLine, thinned } from "./cli-log.ts";

const entry = (fields: object) => JSON.stringify(fields);

test.each([
  [entry({ type: "raw", level: 3, text: "\u001b[1mRunning\u001b[0m\r\n\r\nmore\n" }), { log: ["Running", "more"] }],
  [entry({ type: "raw", level: 3, text: "10%\r20%\r30%" }), { log: ["30%"] }],
  [entry({ type: "text", level: 2, text: "its own doings" }), {}],
  [entry({ type: "stop", level: 3, text: "Run: docker build" }), {}],
  [entry({ type: "start", level: 2, text: "Starting container" }), { stage: { kind: "create" } }],
  [entry({ type: "start", level: 2, text: "Run: /x/docker pull a/b:1" }), { stage: { kind: "pull", image: "a/b:1" } }],
  [entry({ type: "start", level: 3, text: "Run: docker buildx build --load ." }), { stage: { kind: "build" } }],
  [entry({ type: "start", level: 3, text: "Run: docker run -e TOKEN=x image" }), {}],
  [
    entry({ type: "progress", name: "Running postCreateCommand...", status: "failed" }),
    { stage: { kind: "hook", name: "postCreateCommand", status: "failed" } },
  ],
  ["(node:1) a warning", { log: ["(node:1) a warning"] }],
  ["    at async x (/somewhere.js:1:2)", {}],
  ["null", { log: ["null"] }],
  [entry({ type: "raw", level: 3 }), {}],
])("%s", (line, said) => {
  expect(readCliLine(line)).toEqual(said);
});

test("a progress meter is heard now and then, everything else at once", () => {
  const heard: string[] = [];
  let now = 0;
  const tell = thinned(
    (line) => heard.push(line),
    () => now,
  );
  for (const line of ["1%", "2%", "words", "Extracting [=>  ] 1MB/9MB"]) tell(line);
  now = 600;
  tell("3%");
  expect(heard).toEqual(["1%", "words", "3%"]);
});
