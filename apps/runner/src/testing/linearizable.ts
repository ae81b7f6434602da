// Whether a concurrent history could have been produced one operation at a time (Wing and Gong 1993): some order that respects
// what ended before what began, and in which each answer is what a plain sequential model answers.

export type Operation<Input, Output> = { input: Input; output: Output; begunAt: number; endedAt: number };
export type Sequential<State, Input, Output> = {
  begin: () => State;
  /** The state after, and the answer. Leaves the state before as it was. */
  apply: (state: State, input: Input) => { state: State; output: Output };
};

/** True when such an order exists. Operations: at most 31. */
export function isLinearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  { begin, apply }: Sequential<State, Input, Output>,
): boolean {
  if (history.length > 31) throw new Error(`a history of ${history.length} operations is too long to be checked`);
  const all = 2 ** history.length - 1;
  const deadEnds = new Set<string>();

  function leads(done: number, state: State): boolean {
    if (done === all) return true;
    const key = `${done} ${JSON.stringify(state)}`;
    if (deadEnds.has(key)) return false;
    // Only what began before everything that is left had ended may be next.
    let firstEnd = Number.POSITIVE_INFINITY;
    for (const [index, { endedAt }] of history.entries())
      if ((done & (1 << index)) === 0) firstEnd = Math.min(firstEnd, endedAt);
    for (const [index, { input, output, begunAt }] of history.entries()) {
      if ((done & (1 << index)) !== 0 || begunAt > firstEnd) continue;
      const next = apply(state, input);
      if (JSON.stringify(next.output) !== JSON.stringify(output)) continue;
      if (leads(done | (1 << index), next.state)) return true;
    }
    deadEnds.add(key);
    return false;
  }
  return leads(0, begin());
}
