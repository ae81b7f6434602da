// An agent as far as it raises a dev container, in a process of its own that a test may kill. Its one argument is the root folder.
import { openTestEngine } from "./engine.ts";
import { Repository } from "./repository.ts";

const repository = new Repository(await openTestEngine(), {}, process.argv[2] ?? "");
await repository.raise();
