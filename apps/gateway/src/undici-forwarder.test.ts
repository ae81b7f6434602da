import { forwarderClaims } from "./testing/forwarder-claims.ts";
import { undiciForwarder } from "./undici-forwarder.ts";

forwarderClaims("undici", undiciForwarder);
