import { type Json, readObjects, readString } from '../../core/json.ts';
import { field, objectField } from './wire.ts';

/**
 * Gathers the arguments of a call that Vertex streams in pieces (`streamFunctionCallArguments`): `{name, willContinue}`
 * opens it, `{partialArgs: [{jsonPath, stringValue, willContinue}], willContinue}` goes on, and the first without
 * `willContinue` ends it (capture 08eaf4a5cf4bd902).
 */
export function partialArgs(): { add(call: Json): void; args(): Json } {
  const root: Record<string, unknown> = {};
  return {
    add(call) {
      Object.assign(root, objectField(call, 'args'));
      for (const piece of readObjects(field(call, 'partialArgs'))) {
        const steps = stepsOf(stringPath(piece));
        if (steps.length > 0) put(root, steps, valueOf(piece));
      }
    },
    args: () => root,
  };
}

const stringPath = (piece: Json): string => readString(field(piece, 'jsonPath')) ?? '';

/** `$.a.b[0]['c']` as its steps. */
function stepsOf(path: string): readonly string[] {
  const steps = path.matchAll(/\.([^.[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/g);
  return [...steps].map(([, name, place, single, double]) => name ?? place ?? single ?? double ?? '');
}

function valueOf(piece: Json): unknown {
  if (field(piece, 'nullValue') !== undefined || 'nullValue' in piece) return null;
  return field(piece, 'stringValue') ?? field(piece, 'numberValue') ?? field(piece, 'boolValue');
}

/** Puts a value where the path leads; texts that come in pieces are joined. */
function put(root: Record<string, unknown>, steps: readonly string[], value: unknown): void {
  let at = root;
  for (const [place, step] of steps.slice(0, -1).entries()) {
    const made = /^\d+$/.test(steps[place + 1]!) ? [] : {};
    if (!Object.hasOwn(at, step)) define(at, step, made);
    const next = at[step];
    if (typeof next !== 'object' || next === null) return;
    at = next as Record<string, unknown>;
  }
  const last = steps.at(-1)!;
  const before = Object.hasOwn(at, last) ? at[last] : undefined;
  define(at, last, typeof before === 'string' && typeof value === 'string' ? before + value : value);
}

/** Assignment that is safe from `__proto__`. */
function define(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}
