/**
 * A synchronous stream step: give it one item, take what it has to say about it.
 * Machines own their state and do no I/O, so a test is `run(machine, items)`.
 */
export interface Machine<In, Out> {
  push(item: In): Iterable<Out>;
  /** Called exactly once, after the last item. */
  end(): Iterable<Out>;
}

/** Two machines as one: what the first says is what the second hears. */
export function chain<A, B, C>(first: Machine<A, B>, second: Machine<B, C>): Machine<A, C> {
  return {
    *push(item) {
      for (const middle of first.push(item)) yield* second.push(middle);
    },
    *end() {
      for (const middle of first.end()) yield* second.push(middle);
      yield* second.end();
    },
  };
}

/** Everything a machine says about a finite input. */
export function run<In, Out>(machine: Machine<In, Out>, items: Iterable<In>): Out[] {
  const out: Out[] = [];
  for (const item of items) for (const said of machine.push(item)) out.push(said);
  for (const said of machine.end()) out.push(said);
  return out;
}
