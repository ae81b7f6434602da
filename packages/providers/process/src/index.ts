export { canIsolate } from "./can-isolate.ts";
export { hostAddress } from "./address-plan.ts";
export { type VmNetwork, pickNetwork, prepareNetwork, rememberedNetwork, removeNetwork } from "./network.ts";
export { powerOff } from "./power-off.ts";
export { type ProcessProviderOptions, processProvider } from "./provider.ts";
export type { Log } from "./vms.ts";
export { type BuildProgress, buildImage, findImage } from "./image.ts";
export { whileLocked } from "./lock.ts";
