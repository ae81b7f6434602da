// A process that takes the steps of a whole rotation, for a test that kills it at one of them. Its argument is the CA's folder.
import { openCa } from "../ca.ts";

const now = Date.now();
const ca = await openCa(process.argv[2] ?? "", "local-test", now);
for (const step of ["announce", "switch", "drop"] as const) await ca.take(step, now, now + 1);
