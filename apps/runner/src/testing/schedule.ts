// Lets a test decide in which order the calls of several programs happen, which of them fail, and where a program dies.
// Every call to a wrapped port waits until it is chosen; once calm, calls happen as they come.

export type Program = { name: string; isDead: boolean };
type Waiting = { program: Program; what: string; happen: (fault: Fault) => Promise<void> };
/** `refused`: nothing happened. `unheard`: it happened, and the answer was lost. */
export type Fault = "refused" | "unheard" | undefined;

export type Schedule = ReturnType<typeof schedule>;

/** A schedule; `afterEach` looks at the world after every effect. */
export function schedule(afterEach: (program: Program, what: string) => void) {
  const waiting: Waiting[] = [];
  const trace: string[] = [];
  let isCalm = false;

  function call(program: Program, what: string, effect: () => Promise<unknown>): Promise<unknown> {
    if (program.isDead) return new Promise(() => {});
    if (isCalm)
      return effect().then((answer) => {
        afterEach(program, what);
        return answer;
      });
    return new Promise((resolve, reject) => {
      const happen = async (fault: Fault) => {
        trace.push(`${program.name} ${what}${fault === undefined ? "" : ` (${fault})`}`);
        if (fault === "refused") return reject(new Error(`${what} was refused`));
        try {
          const answer = await effect();
          afterEach(program, what);
          if (fault === "unheard") reject(new Error(`the answer of ${what} was lost`));
          else resolve(answer);
        } catch (error) {
          if ((error as Error).name === "BrokenPromise") throw error;
          reject(error);
        }
      };
      waiting.push({ program, what, happen });
    });
  }

  return {
    trace,
    waiting: () => waiting.length,
    /** The port as one program sees it. Methods named in `silent` are not calls to anything outside. */
    port<T extends object>(program: Program, name: string, port: T): T {
      return new Proxy(port, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key, target);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            const what = `${name}.${String(key)}(${typeof args[0] === "string" ? args[0] : ((args[0] as { id?: string })?.id ?? "")})`;
            return call(
              program,
              what,
              async () => await (value as (...args: unknown[]) => unknown).apply(target, args),
            );
          };
        },
      });
    },
    call,
    /** Lets one of the waiting calls happen. */
    async step(choice: number, fault: Fault): Promise<void> {
      const [one] = waiting.splice(choice % waiting.length, 1);
      await one?.happen(fault);
      await new Promise(setImmediate);
    },
    /** The program of one of the waiting calls dies: none of its calls happens any more. */
    kill(choice: number): Program | undefined {
      const program = waiting[choice % waiting.length]?.program;
      if (program === undefined) return undefined;
      trace.push(`${program.name} dies`);
      program.isDead = true;
      const left = waiting.filter((each) => each.program !== program);
      waiting.splice(0, waiting.length, ...left);
      return program;
    },
    /** From here on nothing waits and nothing fails; what waited happens now. */
    async calm(): Promise<void> {
      trace.push("calm");
      while (waiting.length > 0) {
        await waiting.shift()?.happen(undefined);
        await new Promise(setImmediate);
      }
      isCalm = true;
    },
  };
}
