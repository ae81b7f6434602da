// The control plane for those who start one in their own process: tests of the whole.
export { Config } from "./config.ts";
export { type ControlPlane, startControlPlane } from "./control-plane.ts";
