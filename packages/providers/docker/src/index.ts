export { type DockerProviderOptions, dockerProvider } from "./provider.ts";
export type { Log } from "./vms.ts";
