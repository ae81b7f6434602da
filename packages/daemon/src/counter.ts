// A figure for /metrics that only grows, for daemons that have no more than a few.
export type Counter = { increment(): void };

/** Counts from 0 at each start of the process, under `name` in prom-client's default registry. Asking twice gives the same counter. */
export function counter(name: string, help: string): Counter {
  const counting = import("prom-client").then(({ Counter: Figure, register }) => {
    const there = register.getSingleMetric(name);
    return there instanceof Figure ? there : new Figure({ name, help });
  });
  return { increment: () => void counting.then((figure) => figure.inc()) };
}
