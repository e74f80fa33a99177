/** Lets so many at a time through a narrow place, in the order they came. */
export interface Lanes {
  /** Resolves when there is room; the returned function makes room for the next. */
  enter(): Promise<() => void>;
}

/** @param width how many at a time; read at every change. */
export function lanes(width: () => number): Lanes {
  const waiting: (() => void)[] = [];
  let inside = 0;

  function admit(): void {
    while (waiting.length > 0 && inside < Math.max(1, width())) {
      inside++;
      waiting.shift()!();
    }
  }

  return {
    enter() {
      const { promise, resolve } = Promise.withResolvers<() => void>();
      let left = false;
      waiting.push(() =>
        resolve(() => {
          if (left) return;
          left = true;
          inside--;
          admit();
        }),
      );
      admit();
      return promise;
    },
  };
}
