// Reads, with the compiler, which calls of a source file end in a promise: whatever leaves the process is among them.
import { readFileSync } from "node:fs";
import { API } from "typescript/unstable/sync";
import { type CallExpression, type Node, SyntaxKind } from "typescript/unstable/ast";

export type OutsideCall = { file: string; line: number; callee: string };

/**
 * The calls of these files whose value is a promise, apart from calls of functions written in the same file and of what only
 * joins promises (`then`, `Promise.all`). `callee` is as written: `store.get`.
 */
export function outsideCalls(root: string, files: readonly string[]): OutsideCall[] {
  const api = new API({ cwd: root });
  try {
    const snapshot = api.updateSnapshot({ openFiles: [...files] });
    return files.flatMap((file) => {
      const project = snapshot.getDefaultProjectForFile(file);
      const source = project?.program.getSourceFile(file);
      if (project === undefined || source === undefined) throw new Error(`the compiler does not know ${file}`);
      const text = readFileSync(file, "utf8");
      const own = new Set<string>();
      const calls: CallExpression[] = [];
      const visit = (node: Node): void => {
        const declared = node as Node & { name?: Node };
        if (node.kind === SyntaxKind.FunctionDeclaration && declared.name !== undefined)
          own.add(declared.name.getText(source));
        if (node.kind === SyntaxKind.CallExpression) calls.push(node as CallExpression);
        node.forEachChild(visit);
      };
      visit(source);
      return calls.flatMap((call) => {
        const type = project.checker.getTypeAtLocation(call);
        if (type === undefined || !project.checker.typeToString(type).startsWith("Promise<")) return [];
        const { expression } = call;
        const callee = expression.getText(source);
        if (own.has(callee) || isJoining(expression)) return [];
        return [{ file, line: text.slice(0, call.getStart(source)).split("\n").length, callee }];
      });
    });
  } finally {
    api.close();
  }
}

function isJoining(expression: Node): boolean {
  const { name, expression: of } = expression as Node & { name?: Node; expression?: Node };
  if (expression.kind !== SyntaxKind.PropertyAccessExpression || of === undefined) return false;
  return of.getText() === "Promise" || ["then", "catch", "finally"].includes(name?.getText() ?? "");
}
