import { efforts, type Reasoning } from '../core/request.ts';

/** A model name, and what its suffix says about thinking. */
export interface Suffixed {
  readonly name: string;
  readonly reasoning?: Reasoning;
}

const levels: ReadonlySet<string> = new Set(efforts);

/**
 * Splits `model(value)`: `none` and `0` switch thinking off, `auto` and `-1` leave it to the model, a level or a number
 * of tokens steers it. Anything else in parentheses at the end is cut off and says nothing.
 */
export function splitSuffix(model: string): Suffixed {
  const open = model.lastIndexOf('(');
  if (open <= 0 || !model.endsWith(')')) return { name: model };
  const name = model.slice(0, open).trimEnd();
  const reasoning = reasoningOf(
    model
      .slice(open + 1, -1)
      .trim()
      .toLowerCase(),
  );
  return reasoning ? { name, reasoning } : { name };
}

function reasoningOf(value: string): Reasoning | undefined {
  if (value === 'auto' || value === '-1') return { effort: 'auto' };
  if (levels.has(value)) return { effort: value };
  if (!/^\d{1,9}$/.test(value)) return undefined;
  const budget = Number(value);
  return budget === 0 ? { effort: 'none' } : { budget };
}
