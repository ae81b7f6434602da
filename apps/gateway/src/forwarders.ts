// The engines there are, by the name the configuration gives them. Only the one that is chosen is loaded.
import type { GatewayConfig } from "./config.ts";
import type { Forwarder } from "./forwarder.ts";

export const forwarders: Record<GatewayConfig["forwarder"], () => Promise<Forwarder>> = {
  undici: async () => (await import("./undici-forwarder.ts")).undiciForwarder(),
  "http-proxy": async () => (await import("./http-proxy-forwarder.ts")).httpProxyForwarder(),
};
