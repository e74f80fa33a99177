import { readArray, readObject } from './json.ts';
import { glob } from './glob.ts';

/**
 * Paths into JSON as the operator writes them in payload rules: `a.b`, `messages.0.role`, `a\.b` for a key with a dot,
 * `tools.#(type=="x")` for the first element that fits and `tools.#(…)#` for all, `tools.#.name` for every element. A
 * digit is an index in a list and a key in an object; `:0` is always a key; `-1` is behind the last element when
 * something is set, and the last element otherwise.
 */
export interface Path {
  readonly text: string;
  readonly steps: readonly Step[];
}

type Step =
  | { readonly kind: 'key'; readonly name: string; readonly index: number | undefined }
  | { readonly kind: 'query'; readonly test: Test; readonly all: boolean };

/** Whether an element of a list fits. */
type Test = (element: unknown) => boolean;

/** A text that is no path; its message says what would be. */
export class PathFault extends Error {
  override readonly name = 'PathFault';
}

// --------------------------------------------------------------------------------------------------------- reading

/** Every value that a path leads to, in order; none where there is nothing. */
export function valuesAt(value: unknown, { steps }: Path): readonly unknown[] {
  return steps.reduce<readonly unknown[]>(
    (found, step) => found.flatMap((each) => below(each, step)),
    [value],
  );
}

function below(value: unknown, step: Step): readonly unknown[] {
  const list = readArray(value);
  if (step.kind === 'query') return placesOf(list ?? [], step).map((at) => list![at]);
  const { name, index } = step;
  if (list) return index !== undefined && at(list, index) in list ? [list[at(list, index)]] : [];
  const object = readObject(value);
  return object && Object.hasOwn(object, name) ? [object[name]] : [];
}

/** The place of an index; one below zero counts from the end. */
const at = (list: readonly unknown[], index: number): number => (index < 0 ? list.length + index : index);

/** Where the elements stand that a query means. */
function placesOf(
  list: readonly unknown[],
  { test, all }: Extract<Step, { kind: 'query' }>,
): readonly number[] {
  if (all) return [...list.keys()].filter((place) => test(list[place]));
  const first = list.findIndex(test);
  return first < 0 ? [] : [first];
}

// --------------------------------------------------------------------------------------------------------- writing

/**
 * A copy with the value set at a path; what is not on the way is shared with the original. Objects and lists that are
 * missing on the way are made. The very same value when the path leads nowhere, such as a name in a list.
 */
export const setAt = (value: unknown, { steps }: Path, set: unknown): unknown => write(value, steps, set);

function write(value: unknown, steps: readonly Step[], set: unknown): unknown {
  const [step, ...rest] = steps;
  if (!step) return set;
  const list = readArray(value);
  if (step.kind === 'query')
    return list ? replaced(list, placesOf(list, step), (element) => write(element, rest, set)) : value;
  const object = readObject(value);
  if (object) {
    const before = Object.hasOwn(object, step.name) ? object[step.name] : undefined;
    const after = write(before, rest, set);
    return after === before ? value : { ...object, [step.name]: after };
  }
  if (step.index !== undefined) return inList(list ?? [], step.index, rest, set);
  return list ? value : { [step.name]: write(undefined, rest, set) };
}

function inList(list: readonly unknown[], index: number, rest: readonly Step[], set: unknown): unknown {
  const place = index < 0 ? list.length : index;
  const before = list[place];
  const after = write(before, rest, set);
  if (after === before) return list;
  const padded = [...list, ...Array.from({ length: Math.max(0, place - list.length) }, () => null)];
  return place < padded.length ? padded.with(place, after) : [...padded, after];
}

function replaced(
  list: readonly unknown[],
  places: readonly number[],
  change: (element: unknown) => unknown,
): readonly unknown[] {
  const after = places.map((place) => [place, change(list[place])] as const);
  if (after.every(([place, element]) => element === list[place])) return list;
  const copy = [...list];
  for (const [place, element] of after) copy[place] = element;
  return copy;
}

/** A copy without what a path leads to; the very same value when there is nothing. */
export const removeAt = (value: unknown, { steps }: Path): unknown => remove(value, steps);

function remove(value: unknown, steps: readonly Step[]): unknown {
  const [step, ...rest] = steps;
  if (!step) return value;
  const list = readArray(value);
  if (list) {
    const places = step.kind === 'query' ? placesOf(list, step) : indexIn(list, step.index);
    if (rest.length > 0) return replaced(list, places, (element) => remove(element, rest));
    const gone = new Set(places);
    return gone.size === 0 ? list : list.filter((_, place) => !gone.has(place));
  }
  const object = readObject(value);
  if (!object || step.kind === 'query' || !Object.hasOwn(object, step.name)) return value;
  const { [step.name]: before, ...others } = object;
  if (rest.length === 0) return others;
  const after = remove(before, rest);
  return after === before ? value : { ...object, [step.name]: after };
}

const indexIn = (list: readonly unknown[], index: number | undefined): readonly number[] =>
  index !== undefined && at(list, index) in list ? [at(list, index)] : [];

// --------------------------------------------------------------------------------------------------------- parsing

/** A list is filled up to the index that is set, so a slip of the finger must not fill the memory. */
const largestIndex = 10_000;

/** @throws PathFault */
export function parsePath(text: string): Path {
  const reader = pathReader(text);
  const steps = reader.path('');
  reader.finish();
  return { text, steps };
}

type Compare = (left: unknown, right: unknown) => boolean;

const ordered =
  (compare: (left: number | string, right: number | string) => boolean): Compare =>
  (left, right) => {
    const alike = typeof left === typeof right && (typeof left === 'number' || typeof left === 'string');
    return alike && compare(left, right as typeof left);
  };

const like: Compare = (left, right) => typeof left === 'string' && glob(String(right))(left);

/** The longer ones first, so that `<=` is not read as `<`. */
const operators: readonly (readonly [string, Compare])[] = [
  ['==', (left, right) => left === right],
  ['!=', (left, right) => left !== right],
  ['<=', ordered((left, right) => left <= right)],
  ['>=', ordered((left, right) => left >= right)],
  ['!%', (left, right) => !like(left, right)],
  ['<', ordered((left, right) => left < right)],
  ['>', ordered((left, right) => left > right)],
  ['%', like],
  ['=', (left, right) => left === right],
];

/** Reads the path language from left to right. */
function pathReader(text: string) {
  let place = 0;

  const fail = (expected: string): never => {
    throw new PathFault(`${expected} at character ${place + 1}`);
  };
  const sees = (word: string): boolean => text.startsWith(word, place);
  const takes = (word: string): boolean => {
    if (!sees(word)) return false;
    place += word.length;
    return true;
  };
  const skipSpace = (): void => {
    while (text[place] === ' ') place++;
  };

  /** @param ends characters that end a path inside a query. */
  function path(ends: string): readonly Step[] {
    const steps: Step[] = [];
    do steps.push(sees('#') ? query() : key(ends));
    while (takes('.'));
    return steps;
  }

  function key(ends: string): Step {
    let name = '';
    let bare = true;
    for (; place < text.length && text[place] !== '.' && !ends.includes(text[place]!); place++) {
      const escaped = text[place] === '\\' && place + 1 < text.length;
      if (escaped) [place, bare] = [place + 1, false];
      else if ('*?|'.includes(text[place]!)) fail(`"\\${text[place]}" instead of "${text[place]}"`);
      name += text[place];
    }
    if (ends !== '') name = name.trimEnd();
    if (name === '') fail('a key');
    if (bare && name.length > 1 && name.startsWith(':'))
      return { kind: 'key', name: name.slice(1), index: undefined };
    const index = bare && /^(?:\d+|-1)$/.test(name) ? Number(name) : undefined;
    if (index !== undefined && index > largestIndex)
      fail(`an index up to ${largestIndex} before what stands`);
    return { kind: 'key', name, index };
  }

  function query(): Step {
    takes('#');
    if (!takes('(')) {
      if (!sees('.')) fail('"(" or "." after "#"');
      return { kind: 'query', test: () => true, all: true };
    }
    const test = either();
    if (!takes(')')) fail('")"');
    const all = takes('#');
    return { kind: 'query', test, all };
  }

  function either(): Test {
    const tests = [both()];
    while (takes('||')) tests.push(both());
    return (element) => tests.some((test) => test(element));
  }

  function both(): Test {
    const tests = [condition()];
    while (takes('&&')) tests.push(condition());
    return (element) => tests.every((test) => test(element));
  }

  function condition(): Test {
    skipSpace();
    if (takes('(')) {
      const test = either();
      if (!takes(')')) fail('")"');
      skipSpace();
      return test;
    }
    const compares = (): boolean => operators.some(([word]) => sees(word));
    const steps = compares() ? [] : path('=!<>%&|)( ');
    skipSpace();
    const operator = operators.find(([word]) => takes(word));
    const values = (element: unknown) => valuesAt(element, { text, steps });
    if (!operator) return (element) => values(element).length > 0;
    skipSpace();
    const wanted = literal();
    skipSpace();
    return (element) => values(element).some((value) => operator[1](value, wanted));
  }

  function literal(): unknown {
    const quoted = /^"(?:[^"\\]|\\.)*"/.exec(text.slice(place))?.[0];
    const word = quoted ?? /^(?:(?!&&|\|\||\)).)*/.exec(text.slice(place))![0];
    place += word.length;
    const bare = word.trim();
    if (bare === '') fail('a value');
    try {
      return JSON.parse(bare);
    } catch {
      return bare;
    }
  }

  return {
    path,
    finish() {
      if (place < text.length) fail('"." or the end');
    },
  };
}
