const longest = 80;

/**
 * The names most like an unknown one, nearest first: those that contain it or are contained in it, and those a few
 * edits away. Nothing is better than something unlike.
 */
export function nearestOf(unknown: string, names: readonly string[], limit: number): readonly string[] {
  const wanted = unknown.toLowerCase().slice(0, longest);
  if (wanted === '') return [];
  return names
    .flatMap((name) => {
      const score = unlikeness(wanted, name.toLowerCase().slice(0, longest));
      return score === undefined ? [] : [{ name, score }];
    })
    .sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1))
    .slice(0, limit)
    .map(({ name }) => name);
}

/** 0 is the same; undefined is nothing alike. The part after the last slash counts as a name of its own. */
function unlikeness(wanted: string, name: string): number | undefined {
  const tails = [wanted, wanted.slice(wanted.lastIndexOf('/') + 1)];
  const heads = [name, name.slice(name.lastIndexOf('/') + 1)];
  const scores = tails.flatMap((tail) => heads.map((head) => unlikenessOf(tail, head)));
  const known = scores.filter((score) => score !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

function unlikenessOf(a: string, b: string): number | undefined {
  const [shorter, longer] = a.length < b.length ? [a, b] : [b, a];
  if (shorter.length >= 3 && longer.includes(shorter)) return 0.3 * (1 - shorter.length / longer.length);
  const most = Math.max(1, Math.floor(longer.length * 0.4));
  if (longer.length - shorter.length > most) return undefined;
  const edits = distance(a, b);
  return edits <= most ? edits / longer.length : undefined;
}

/** Edits between two words: a character put in, taken out or exchanged (Levenshtein). */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const here = [row];
    for (let column = 1; column <= b.length; column++) {
      const exchanged = above[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      here.push(Math.min(above[column]! + 1, here[column - 1]! + 1, exchanged));
    }
    above = here;
  }
  return above[b.length]!;
}
