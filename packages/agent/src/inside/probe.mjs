// Runs inside a dev container, only to see whether it can: Node, and what the IDE loads that was compiled for some C library.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const server = "/opt/gitspaces/ide/node_modules";
const modules = [
  "argon2",
  "code-server/lib/vscode/node_modules/node-pty",
  "code-server/lib/vscode/node_modules/@vscode/spdlog",
];

for (const name of modules) {
  try {
    require(`${server}/${name}`);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
  }
}
