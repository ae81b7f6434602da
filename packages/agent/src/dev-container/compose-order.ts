// A folder in the workspace is mounted by its path, which the engine follows when the service starts. A service that can write above
// that folder could put a link to the VM's folders in its place meanwhile: so it starts after the ones it could do that to. Pure.
import type { Broken, ComposeFile } from "./compose-policy.ts";

type Services = Record<string, Record<string, unknown>>;
type Bind = { source: string; isWritable: boolean };

/** The file with the order of its services completed, and what cannot be ordered. */
export function orderServices(file: ComposeFile): { file: ComposeFile; broken: Broken[] } {
  const services: Services = { ...file.services };
  const broken: Broken[] = [];
  for (const [name, service] of Object.entries(file.services ?? {})) {
    for (const [writer, other] of Object.entries(file.services ?? {})) {
      if (writer === name || !endangers(bindsOf(other), [...bindsOf(service), ...filesOf(file, service)])) continue;
      if (reaches(services, name, writer)) {
        const rule = `${writer} starts before it and could change what is mounted`;
        broken.push({ service: name, key: "volumes", rule });
      } else if (!reaches(services, writer, name)) {
        services[writer] = { ...services[writer], depends_on: withDependency(services[writer]?.["depends_on"], name) };
      }
    }
  }
  return { file: { ...file, services }, broken };
}

function endangers(writers: readonly Bind[], binds: readonly Bind[]): boolean {
  return writers.some(
    (writer) =>
      writer.isWritable && binds.some(({ source }) => source.startsWith(`${writer.source.replace(/\/$/, "")}/`)),
  );
}

function bindsOf(service: Record<string, unknown>): Bind[] {
  const volumes = Array.isArray(service["volumes"]) ? (service["volumes"] as unknown[]) : [];
  return volumes.flatMap((volume): Bind[] => {
    if (typeof volume === "string") {
      const [source = "", , options = ""] = volume.split(":");
      return source.startsWith("/") ? [{ source, isWritable: !options.split(",").includes("ro") }] : [];
    }
    const { type, source, read_only } = volume as Record<string, unknown>;
    return type === "bind" && typeof source === "string" ? [{ source, isWritable: read_only !== true }] : [];
  });
}

/** Secrets and configs that are files of the workspace are mounted by their path as well. */
function filesOf(file: ComposeFile, service: Record<string, unknown>): Bind[] {
  return ["secrets", "configs"].flatMap((section) => {
    const shared = (file[section] ?? {}) as Record<string, { file?: unknown } | null>;
    const used = Array.isArray(service[section]) ? (service[section] as unknown[]) : [];
    return used.flatMap((each): Bind[] => {
      const name = typeof each === "string" ? each : (each as { source?: unknown } | null)?.source;
      const source = typeof name === "string" ? shared[name]?.file : undefined;
      return typeof source === "string" ? [{ source, isWritable: false }] : [];
    });
  });
}

/** Whether `from` starts after `to`, by whatever way Compose is told so. */
function reaches(services: Services, from: string, to: string, seen: ReadonlySet<string> = new Set()): boolean {
  if (seen.has(from)) return false;
  const next = dependenciesOf(services[from] ?? {});
  return next.includes(to) || next.some((each) => reaches(services, each, to, new Set([...seen, from])));
}

function dependenciesOf(service: Record<string, unknown>): string[] {
  const modes = ["network_mode", "ipc", "pid"].flatMap((key) => {
    const [, name] = /^service:(.+)$/.exec(typeof service[key] === "string" ? service[key] : "") ?? [];
    return name === undefined ? [] : [name];
  });
  const links = namesOf(service["links"]).map((link) => link.split(":")[0] ?? "");
  return [...namesOf(service["depends_on"]), ...links, ...modes];
}

function namesOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.filter((each) => typeof each === "string");
  return typeof value === "object" && value !== null ? Object.keys(value) : [];
}

function withDependency(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [...namesOf(value), name];
  return { ...value, [name]: { condition: "service_started" } };
}
