// Whether the VMs' image is where the provider of a local installation looks for it.
import { existsSync, readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { type Finding, well, wrong } from "./finding.ts";

type Place = { data: string; engine?: string | undefined; cure: string };

const VM_IMAGE = "gitspaces/vm:latest";
const ANSWER_MS = 5_000;

/** Looks in the data folder, or asks the Docker engine where there is one. */
export async function examineImage(place: Place): Promise<Finding> {
  return place.engine === undefined ? inFolder(place) : await inEngine(place.engine, place.cure);
}

function inFolder({ data, cure }: Place): Finding {
  const folder = join(data, "images");
  const images = existsSync(folder) ? readdirSync(folder).filter((name) => !name.startsWith(".")) : [];
  if (images.length > 0) return well("image", `${images.join(", ")} in ${folder}`);
  return wrong("image", `there is none in ${folder}`, `Run: ${cure}, which builds it`);
}

async function inEngine(engine: string, cure: string): Promise<Finding> {
  try {
    const status = await ask(engine.replace(/^unix:\/\//, ""), `/images/${VM_IMAGE}/json`);
    if (status === 200) return well("image", `${VM_IMAGE} in the Docker engine on ${engine}`);
    return wrong("image", `the Docker engine on ${engine} has no ${VM_IMAGE}`, `Run: ${cure}, which builds it`);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return wrong("image", `the Docker engine on ${engine} does not answer (${why})`, "Start it; VMs run in it.");
  }
}

function ask(socketPath: string, path: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const asking = request({ socketPath, path, signal: AbortSignal.timeout(ANSWER_MS) }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  asking.once("error", reject).end();
  return promise;
}
