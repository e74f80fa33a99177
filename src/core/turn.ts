let next: Promise<void> | undefined;

/**
 * The end of this turn of the event loop, the same promise for all who ask in it. What many requests do one after the other,
 * such as handing bytes to the system or to another thread, costs each of them much less than when it is done between other
 * work: the other side is woken once, and its code is at hand.
 */
export function turnEnd(): Promise<void> {
  next ??= new Promise((resolve) => {
    setImmediate(() => {
      next = undefined;
      resolve();
    });
  });
  return next;
}
