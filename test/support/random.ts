/** A seeded generator, so that a property test fails the same way every time. */
export interface Random {
  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number;
  pick<T>(items: readonly T[]): T;
  /** True once in `n`. */
  oneIn(n: number): boolean;
  list<T>(max: number, make: () => T): T[];
  /** Text with everything that breaks parsers: quotes, backslashes, control characters, astral characters, braces. */
  text(max?: number): string;
  /** Any JSON value, nested up to `depth`. */
  json(depth?: number): unknown;
}

const atoms = [
  'a', 'model', ' ', '"', '\\', '\\"', '\\\\', '{', '}', '[', ']', ':', ',', '\n', '\r', '\t', '\u0000', '\u001f',
  'é', '世', '😀', '\u2028', '</script>', 'null', '0', '\ufeff', 'data: ', '\ud83d',
]; // prettier-ignore

/** Mulberry32: small, fast and good enough to reach odd corners. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const self: Random = {
    below: (limit) => Math.floor(next() * limit),
    pick: (items) => items[self.below(items.length)]!,
    oneIn: (n) => self.below(n) === 0,
    list: (max, make) => Array.from({ length: self.below(max + 1) }, make),
    text: (max = 6) => self.list(max, () => self.pick(atoms)).join(''),
    json: (depth = 3) => json(self, depth),
  };
  return self;
}

function json(random: Random, depth: number): unknown {
  const kind = random.below(depth > 0 ? 8 : 5);
  if (kind === 0) return null;
  if (kind === 1) return random.oneIn(2);
  if (kind === 2) return random.below(2000) - 1000;
  if (kind === 3) return (random.below(2000) - 1000) * 1e-5;
  if (kind === 4) return random.text();
  if (kind === 5) return random.list(4, () => json(random, depth - 1));
  return Object.fromEntries(
    random.list(4, () => [random.oneIn(3) ? 'model' : random.text(2), json(random, depth - 1)]),
  );
}
