import { providerClaims } from "../../src/testing/conformance.ts";
import { canIsolate } from "./can-isolate.ts";
import { openBench } from "./testing/bench.ts";

providerClaims("without isolation", () => openBench("none"));
// Namespaces need root; `canIsolate` is what the installation itself goes by.
if (canIsolate().ok) providerClaims("isolated", () => openBench("namespace"));
