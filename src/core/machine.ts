/**
 * A synchronous stream step: give it one item, take what it has to say about it.
 * Machines own their state and do no I/O, so a test is `run(machine, items)`.
 */
export interface Machine<In, Out> {
  push(item: In): readonly Out[];
  /** Called exactly once, after the last item. */
  end(): readonly Out[];
}

/** Takes what is told, one thing after another. */
export type Tell<Out> = (out: Out) => void;

/** The inside of a machine: it tells each thing as it comes to it. Lists would cost one for every function on the way. */
export interface Teller<In> {
  push(item: In): void;
  end(): void;
}

/** The machine around a teller. */
export function machine<In, Out>(teller: (tell: Tell<Out>) => Teller<In>): Machine<In, Out> {
  let due: Out[] = [];
  const inside = teller((out) => {
    due.push(out);
  });
  function taken(): readonly Out[] {
    if (due.length === 0) return nothing;
    const said = due;
    due = [];
    return said;
  }
  return {
    push(item) {
      inside.push(item);
      return taken();
    },
    end() {
      inside.end();
      return taken();
    },
  };
}

const nothing: readonly never[] = [];

/** Two machines as one: what the first says is what the second hears. */
export const chain = <A, B, C>(first: Machine<A, B>, second: Machine<B, C>): Machine<A, C> =>
  machine((tell) => {
    function hear(said: readonly B[]): void {
      for (const middle of said) for (const out of second.push(middle)) tell(out);
    }
    return {
      push: (item) => hear(first.push(item)),
      end() {
        hear(first.end());
        for (const out of second.end()) tell(out);
      },
    };
  });

/** Everything a machine says about a finite input. */
export function run<In, Out>(machine: Machine<In, Out>, items: Iterable<In>): Out[] {
  const out: Out[] = [];
  for (const item of items) for (const said of machine.push(item)) out.push(said);
  for (const said of machine.end()) out.push(said);
  return out;
}
