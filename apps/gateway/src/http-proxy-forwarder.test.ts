import { httpProxyForwarder } from "./http-proxy-forwarder.ts";
import { forwarderClaims } from "./testing/forwarder-claims.ts";

forwarderClaims("http-proxy", httpProxyForwarder, { earlyHints: true, trailers: true, lateBodies: true });
