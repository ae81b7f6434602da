import { providerClaims } from "../../src/testing/conformance.ts";
import { openBench } from "./testing/bench.ts";

providerClaims("docker", openBench);
