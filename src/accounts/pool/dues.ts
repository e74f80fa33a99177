/** Things that come due, soonest first. The same thing may wait several times; whoever takes it looks whether it counts. */
export class Dues<T> {
  private readonly times: number[] = [];
  private readonly things: T[] = [];

  /** @param sooner called when something is added that is due before everything else. */
  constructor(private readonly sooner: () => void = () => undefined) {}

  /** When the first is due; Infinity when nothing waits. */
  get nextMs(): number {
    return this.times[0] ?? Infinity;
  }

  add(atMs: number, thing: T): void {
    let child = this.times.push(atMs) - 1;
    this.things.push(thing);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (this.times[parent]! <= this.times[child]!) return;
      this.swap(parent, child);
      child = parent;
    }
    this.sooner();
  }

  /** Takes out the first, if its time has come. */
  take(nowMs: number): T | undefined {
    if (this.nextMs > nowMs) return undefined;
    const first = this.things[0]!;
    const lastTime = this.times.pop()!;
    const lastThing = this.things.pop()!;
    if (this.times.length > 0) {
      this.times[0] = lastTime;
      this.things[0] = lastThing;
      this.sink();
    }
    return first;
  }

  private sink(): void {
    const { times } = this;
    for (let parent = 0; ;) {
      const left = 2 * parent + 1;
      if (left >= times.length) return;
      const right = left + 1;
      const child = right < times.length && times[right]! < times[left]! ? right : left;
      if (times[parent]! <= times[child]!) return;
      this.swap(parent, child);
      parent = child;
    }
  }

  private swap(a: number, b: number): void {
    const { times, things } = this;
    [times[a], times[b]] = [times[b]!, times[a]!];
    [things[a], things[b]] = [things[b]!, things[a]!];
  }
}
