/**
 * Which of a fixed number of places are set, in their order. Words of 32 bits lie over words of 32 bits, so that the next
 * set place is found in a few steps however many there are.
 */
export class Bits {
  /** How many are set. */
  count = 0;
  private readonly levels: Uint32Array[] = [];

  constructor(readonly size: number) {
    let words = size;
    do {
      words = Math.ceil(words / 32);
      this.levels.push(new Uint32Array(Math.max(1, words)));
    } while (words > 1);
  }

  has(place: number): boolean {
    return (this.levels[0]![place >>> 5]! & (1 << (place & 31))) !== 0;
  }

  set(place: number): void {
    if (this.has(place)) return;
    this.count++;
    let at = place;
    for (const words of this.levels) {
      words[at >>> 5]! |= 1 << (at & 31);
      at >>>= 5;
    }
  }

  clear(place: number): void {
    if (!this.has(place)) return;
    this.count--;
    let at = place;
    for (const words of this.levels) {
      words[at >>> 5]! &= ~(1 << (at & 31));
      if (words[at >>> 5] !== 0) return;
      at >>>= 5;
    }
  }

  /** The first set place that is not before `from`; -1 when there is none. */
  next(from: number): number {
    let at = from;
    for (let level = 0; level < this.levels.length; level++) {
      const words = this.levels[level]!;
      const word = at >>> 5;
      if (word >= words.length) return -1;
      const rest = words[word]! & (-1 << (at & 31));
      if (rest !== 0) return this.lowest((word << 5) + lowestBit(rest), level);
      at = word + 1;
    }
    return -1;
  }

  /** The first set place under a set bit of a level. */
  private lowest(bit: number, level: number): number {
    let at = bit;
    for (let below = level - 1; below >= 0; below--) at = (at << 5) + lowestBit(this.levels[below]![at]!);
    return at;
  }
}

const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);
