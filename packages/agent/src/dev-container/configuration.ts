// A devcontainer.json as far as the agent looks into it; the reference implementation reads the rest.
import { z } from "zod";
import { Devcontainer, type FoundDevcontainer, readDevcontainer } from "../devcontainer.ts";

const OneOrMore = z.union([z.string(), z.array(z.string()).min(1)]);
export const Build = z.looseObject({
  dockerfile: z.string().optional(),
  context: z.string().optional(),
  options: z.array(z.string()).optional(),
});

export const Configuration = Devcontainer.extend({
  image: z.string().optional(),
  build: Build.optional(),
  /** The older way to write `build`. */
  dockerFile: z.string().optional(),
  context: z.string().optional(),
  dockerComposeFile: OneOrMore.optional(),
  service: z.string().optional(),
  workspaceFolder: z.string().optional(),
  workspaceMount: z.string().optional(),
  remoteUser: z.string().optional(),
  containerUser: z.string().optional(),
  mounts: z.array(z.union([z.string(), z.record(z.string(), z.unknown())])).optional(),
  runArgs: z.array(z.string()).optional(),
  features: z.record(z.string(), z.unknown()).optional(),
  customizations: z.record(z.string(), z.unknown()).optional(),
});
export type Configuration = z.infer<typeof Configuration>;

/** What a Gitspace is raised from. `path` is relative to the repository, nothing when it has no configuration. */
export type Chosen = { path: string | undefined; configuration: Configuration; notes: string[] };

/**
 * The configuration that was chosen, or the first at the usual places, or that of the default image.
 * @throws {FailureError} `devcontainer_invalid` with line and column, `bad_request` for a path that leads nowhere.
 */
export function chooseConfiguration(
  repository: string,
  devcontainerPath: string | undefined,
  defaultImage: string,
): Chosen {
  const found: FoundDevcontainer<Configuration> | undefined = readDevcontainer(
    repository,
    devcontainerPath,
    Configuration,
  );
  if (found === undefined) {
    const note = `The repository has no devcontainer.json; the default image ${defaultImage} is used.`;
    return { path: undefined, configuration: { image: defaultImage }, notes: [note] };
  }
  const { path, others, content } = found;
  const several = `There are several configurations and none was chosen: ${path} is used, not ${others.join(" or ")}.`;
  const unbuilt = "image" in content || "dockerComposeFile" in content || "build" in content || "dockerFile" in content;
  return {
    path,
    configuration: unbuilt ? content : { ...content, image: defaultImage },
    notes: [
      ...(devcontainerPath === undefined && others.length > 0 ? [several] : []),
      ...(unbuilt ? [] : [`${path} names no image; the default image ${defaultImage} is used.`]),
    ],
  };
}

/** In words, for the timeline: what is going to be built or fetched. */
export function sourceOf({ configuration }: Pick<Chosen, "configuration">): string {
  const { build, dockerFile, dockerComposeFile, image } = configuration;
  if (dockerComposeFile !== undefined) return `Compose file ${[dockerComposeFile].flat().join(", ")}`;
  const file = build?.dockerfile ?? dockerFile;
  return file === undefined ? `image ${image}` : `Dockerfile ${file}`;
}
