// Reads source files with the TypeScript compiler and lists the calls in them, so that a test can hold them against a list of failpoints.
import { API } from "typescript/unstable/sync";
import { isAwaitExpression, isCallExpression, isPropertyAccessExpression } from "typescript/unstable/ast/is";
import type { Node } from "typescript/unstable/ast";
import { checkout } from "../e2e/system.ts";

/** What only continues a promise: the call before it is the one that matters. */
const continuing = new Set(["then", "catch", "finally"]);

/** `callee` is the text before the parentheses, without white space. `isAwaited`: behind an `await`, also by way of `catch`. */
export type Call = { file: string; line: number; callee: string; isAwaited: boolean };

/** Every call in these files (paths within the checkout). @throws when the compiler does not know a file. */
export function callsIn(files: readonly string[]): Call[] {
  const api = new API({ cwd: checkout });
  try {
    const snapshot = api.updateSnapshot({ openProject: `${checkout}/tsconfig.json` });
    const program = snapshot.getProjects()[0]?.program;
    return files.flatMap((file) => {
      const source = program?.getSourceFile(`${checkout}/${file}`);
      if (source === undefined) throw new Error(`the compiler does not know ${file}`);
      const calls: Call[] = [];
      const visit = (node: Node, isAwaited: boolean): void => {
        if (isCallExpression(node)) {
          const to = node.expression;
          if (isPropertyAccessExpression(to) && isCallExpression(to.expression) && continuing.has(to.name.text)) {
            visit(to.expression, isAwaited);
            for (const argument of node.arguments) visit(argument, false);
            return;
          }
          const callee = to.getText(source).replaceAll(/\s+/g, "");
          const line = source.text.slice(0, node.getStart(source)).split("\n").length;
          calls.push({ file, line, callee, isAwaited });
        }
        node.forEachChild((child) => visit(child, isAwaitExpression(node)));
      };
      visit(source, false);
      return calls;
    });
  } finally {
    api.close();
  }
}
