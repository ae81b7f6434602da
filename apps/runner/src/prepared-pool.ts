// The pool whose VMs hold a repository already, ready to be opened; and when there is none, which input differed. Pure.
import type { PoolSpec, VmTask } from "@gitspaces/contracts";

export type Source = NonNullable<Extract<VmTask, { type: "vm.provision" }>["data"]["source"]>;
export type Prepared = { pool: PoolSpec } | { miss: string } | undefined;

/**
 * The pool to take a warm VM from. Nothing when no pool holds the repository at all; a sentence when one does and another input
 * differs. A VM is only ever given to the repository and the organisation that it was prepared for.
 */
export function preparedPool(pools: readonly PoolSpec[], source: Source | undefined): Prepared {
  if (source === undefined) return undefined;
  const holding = pools.filter(({ preload }) => sameRepository(preload?.repository?.url, source.repository));
  const differences = holding.map((pool) => ({ pool, differs: difference(pool, source) }));
  const fitting = differences.find(({ differs }) => differs === undefined);
  if (fitting !== undefined) return { pool: fitting.pool };
  const [nearest] = differences;
  return nearest === undefined
    ? undefined
    : { miss: `The VMs of pool ${nearest.pool.name} were prepared for ${nearest.differs}.` };
}

function difference({ preload }: PoolSpec, source: Source): string | undefined {
  const held = preload?.repository;
  if (held === undefined) return "no repository";
  if (held.organisation !== source.organisation) return "another organisation";
  if (held.devcontainerPath !== source.devcontainerPath)
    return `${held.devcontainerPath ?? "the usual devcontainer.json"}, not ${source.devcontainerPath ?? "the usual one"}`;
  if (held.branch !== source.branch)
    return `${held.branch === undefined ? "the default branch" : `branch ${held.branch}`}, not ${source.branch ?? "the default one"}`;
  return undefined;
}

/** The same place under two spellings: hosts know no case, and `.git` and a slash at the end say nothing. */
function sameRepository(one: string | undefined, other: string): boolean {
  return one !== undefined && spelling(one) === spelling(other);
}

function spelling(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/+$/, "").replace(/\.git$/, "")}`;
}
