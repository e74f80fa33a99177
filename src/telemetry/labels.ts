import { redact } from './redact.ts';

/** Turns any value into one of a bounded number of metric labels. */
export type Labels = (value: string) => string;

/**
 * Labels of one kind: at most `limit` different ones, each of the given shape and never like a secret. Everything
 * else is `other`, because every new label is memory in this program and in whatever reads its metrics.
 */
export function labels(limit: number, shape: RegExp): Labels {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (value === '') return 'none';
    if (known.size >= limit || !shape.test(value) || redact(value) !== value) return 'other';
    known.add(value);
    return value;
  };
}
