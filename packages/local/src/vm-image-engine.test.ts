import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { ImageEngine } from "./vm-image-engine.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});
const signal = AbortSignal.timeout(10_000);

/** An engine that answers as it is told to. */
async function engineThat(answers: RequestListener): Promise<ImageEngine> {
  const folder = mkdtempSync(join(tmpdir(), "gs-image-test-"));
  const server = createServer(answers);
  opened.push(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, "engine"), resolve));
  return new ImageEngine(`unix://${join(folder, "engine")}`);
}

function buildOn(engine: ImageEngine, onStep: (share: number) => void = () => {}) {
  const context = Readable.from(["an archive"]);
  return engine.build({ context, dockerfile: "Dockerfile", tag: "a:b", args: {}, onStep, signal });
}

test("a build tells its steps and is over with the engine's last word", async () => {
  const engine = await engineThat((asked, answer) => {
    asked.resume().on("end", () => {
      answer.write('{"stream":"Step 1/4 : FROM base\\n"}\n{"stream":"Step 3/4 : RUN work\\n"}\n');
      answer.end('{"stream":"Successfully built\\n"}\n');
    });
  });
  const steps: number[] = [];
  await buildOn(engine, (share) => steps.push(share));
  expect(steps).toEqual([0, 0.5]);
});

test("a build that fails names the image, the cause and the last lines", async () => {
  const engine = await engineThat((asked, answer) => {
    asked
      .resume()
      .on("end", () => answer.end('{"stream":"no such package\\n"}\n{"error":"the command returned 100"}\n'));
  });
  await expect(buildOn(engine)).rejects.toThrow(/could not build a:b: the command returned 100\nno such package/);
});

test("an engine that refuses before it read the files is quoted, not the broken pipe", async () => {
  const engine = await engineThat((_, answer) => {
    answer.writeHead(400).end('{"message":"dockerfile is missing"}');
  });
  await expect(buildOn(engine)).rejects.toThrow("The Docker engine would not build a:b (400): dockerfile is missing");
});

test("an image that is not there has no id", async () => {
  const engine = await engineThat((_, answer) => answer.writeHead(404).end('{"message":"No such image"}'));
  expect(await engine.imageId("a:b", signal)).toBeUndefined();
});

test("of many images the oldest are removed by their names", async () => {
  const removed: string[] = [];
  const engine = await engineThat((asked, answer) => {
    if (asked.method === "DELETE") removed.push(asked.url ?? "");
    const images = [3, 1, 2].map((age) => ({ Created: age, RepoTags: [`a:${age}`] }));
    answer.end(JSON.stringify([...images, { Created: 0, RepoTags: null }]));
  });
  await engine.keepNewest("a", 2, "a:3", signal);
  expect(removed).toEqual(["/images/a:1"]);
});

test("an image just built of layers that are old is kept, however old it looks", async () => {
  const removed: string[] = [];
  const engine = await engineThat((asked, answer) => {
    if (asked.method === "DELETE") removed.push(asked.url ?? "");
    answer.end(JSON.stringify([4, 3, 2, 1].map((age) => ({ Created: age, RepoTags: [`a:${age}`] }))));
  });
  await engine.keepNewest("a", 2, "a:1", signal);
  expect(removed).toEqual(["/images/a:2"]);
});

test("an engine on another machine cannot build from this one's files", () => {
  expect(() => new ImageEngine("tcp://elsewhere:2375")).toThrow("tcp://elsewhere:2375 is no engine's socket");
});
