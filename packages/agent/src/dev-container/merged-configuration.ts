// The configuration as the reference implementation has merged it: of the file, of features and of the image's label.
import { z } from "zod";
import type { Container } from "./container.ts";

const Customization = z.looseObject({
  extensions: z.array(z.string()).optional().catch(undefined),
  settings: z.record(z.string(), z.unknown()).optional().catch(undefined),
});
const Command = z.unknown();
const Commands = z.array(Command).default([]).catch([]);

export const Merged = z.looseObject({
  remoteEnv: z.record(z.string(), z.string().nullable()).default({}).catch({}),
  userEnvProbe: z.string().optional().catch(undefined),
  forwardPorts: z
    .array(z.union([z.number(), z.string()]))
    .default([])
    .catch([]),
  portsAttributes: z.record(z.string(), z.record(z.string(), z.unknown())).default({}).catch({}),
  customizations: z.record(z.string(), z.array(z.unknown())).default({}).catch({}),
  onCreateCommands: Commands,
  updateContentCommands: Commands,
  postCreateCommands: Commands,
  postStartCommands: Commands,
  postAttachCommands: Commands,
});
export type Merged = z.infer<typeof Merged>;

export const hookLists = {
  onCreateCommand: "onCreateCommands",
  updateContentCommand: "updateContentCommands",
  postCreateCommand: "postCreateCommands",
  postStartCommand: "postStartCommands",
} as const satisfies Record<string, keyof Merged>;

/** The hooks that there are, without `postAttachCommand`, in their order. */
export function hooksOf(merged: Merged): string[] {
  return Object.entries(hookLists).flatMap(([name, list]) => (merged[list].length > 0 ? [name] : []));
}

/** Extensions without doubles, settings of later sources over those of earlier ones. */
export function customizationsOf({ customizations }: Merged): Container["customizations"] {
  const parts = (customizations["vscode"] ?? []).flatMap((each) => {
    const part = Customization.safeParse(each);
    return part.success ? [part.data] : [];
  });
  return {
    extensions: [...new Set(parts.flatMap(({ extensions = [] }) => extensions))],
    settings: Object.assign({}, ...parts.map(({ settings = {} }) => settings)) as Record<string, unknown>,
  };
}
