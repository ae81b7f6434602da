// The engines there are, by the name the configuration gives them.
import type { GatewayConfig } from "./config.ts";
import type { Forwarder } from "./forwarder.ts";
import { httpProxyForwarder } from "./http-proxy-forwarder.ts";
import { undiciForwarder } from "./undici-forwarder.ts";

export const forwarders: Record<GatewayConfig["forwarder"], () => Forwarder> = {
  undici: undiciForwarder,
  "http-proxy": httpProxyForwarder,
};
