import { Type } from '@sinclair/typebox';
import { glob } from '../core/glob.ts';
import { parsePath, type Path, PathFault } from '../core/path.ts';
import { pathOf } from './fault.ts';
import { group, list, table, text } from './keys.ts';
import type { Config } from './schema.ts';

/** `payload`: the operator's rules that edit request bodies on their way out. */

const paths = (description: string) => list(Type.String(), description);

const selectors = list(
  group('Which requests a rule is for; all that is given must hold.', {
    name: Type.String({ minLength: 1, description: 'Pattern over the model; * stands for anything.' }),
    protocol: text(
      '',
      "The upstream's format: openai, openai-response, claude, gemini, codex, antigravity, kiro.",
    ),
    'from-protocol': text('', "The client's format: openai, openai-response, claude, gemini."),
    headers: table(Type.String(), 'Patterns over headers of the client.'),
    match: list(table(Type.Unknown(), 'Path to value.'), 'Paths and the values that stand there.'),
    'not-match': list(table(Type.Unknown(), 'Path to value.'), 'Paths and values that do not stand there.'),
    exist: paths('Paths where something stands; null is nothing.'),
    'not-exist': paths('Paths where nothing stands.'),
  }),
  'The requests a rule is for; one that fits is enough.',
);

const settings = (description: string) =>
  list(
    group('One rule.', { models: selectors, params: table(Type.Unknown(), 'Path to value.') }),
    description,
  );

export const payloadSchema = group(
  'Rules that edit the bodies of chat requests as they go to the upstream, in the order of the keys here.',
  {
    default: settings('Sets what the request leaves open; the first rule for a path wins.'),
    'default-raw': settings('The same, with JSON texts as values.'),
    override: settings('Sets whatever the request says; the last rule for a path wins.'),
    'override-raw': settings('The same, with JSON texts as values.'),
    filter: list(
      group('One rule.', { models: selectors, params: paths('Paths to take out.') }),
      'Takes fields out.',
    ),
  },
);

type Setting = NonNullable<Config['payload']>;
type Selections = Setting['filter'][number]['models'];

// -------------------------------------------------------------------------------------------------------- the rules

/** One rule, ready to be applied. */
export interface PayloadRule {
  readonly kind: 'default' | 'override' | 'filter';
  readonly models: readonly Selector[];
  /** Where, and what is set there; a filter sets nothing. */
  readonly params: readonly Param[];
}

export interface Param {
  readonly path: Path;
  readonly value: unknown;
}

/** One description of requests; everything in it must hold. */
export interface Selector {
  /** Whether a name of the model fits. */
  name(model: string): boolean;
  /** The format of the upstream, and that of the client; undefined: any. */
  readonly protocol: string | undefined;
  readonly fromProtocol: string | undefined;
  /** By name in lower case. */
  readonly headers: readonly (readonly [string, (value: string) => boolean])[];
  readonly match: readonly Param[];
  readonly notMatch: readonly Param[];
  readonly exist: readonly Path[];
  readonly notExist: readonly Path[];
}

/** The formats, each with the names that wires, channels and the reference's users have for it. */
const names: Readonly<Record<string, readonly string[]>> = {
  openai: ['openai-chat', 'openai-compatibility', 'kimi'],
  'openai-response': ['openai-responses', 'responses', 'response'],
  claude: ['anthropic', 'anthropic-messages'],
  gemini: ['gemini-cli', 'vertex', 'aistudio'],
  codex: ['xai'],
  antigravity: [],
  kiro: [],
  interactions: [],
};

const formats = new Map(
  Object.entries(names).flatMap(([format, others]) => [format, ...others].map((name) => [name, format])),
);

/** The one name of a format; undefined for a name that nobody knows. */
export const formatNamed = (name: string): string | undefined => formats.get(name.trim().toLowerCase());

/** Tells what is wrong at a path of the config, and what would be right. */
export type Refuse = (path: string, message: string, expected: string) => void;

/** The rules of a config in the order they are applied in. What cannot be used is told and left out. */
export function payloadRules(setting: Setting | undefined, refuse: Refuse): readonly PayloadRule[] {
  if (!setting) return [];
  const sets = (key: 'default' | 'default-raw' | 'override' | 'override-raw') =>
    setting[key].map(({ models, params }, index): PayloadRule => {
      const where = `payload.${key}[${index}]`;
      const raw = key.endsWith('-raw');
      return {
        kind: key.startsWith('default') ? 'default' : 'override',
        models: selectorsOf(models, `${where}.models`, refuse),
        params: paramsOf(params, `${where}.params`, raw, refuse),
      };
    });
  const filters = setting.filter.map(({ models, params }, index): PayloadRule => {
    const where = `payload.filter[${index}]`;
    return {
      kind: 'filter',
      models: selectorsOf(models, `${where}.models`, refuse),
      params: pathsOf(params, `${where}.params`, refuse).map((path) => ({ path, value: undefined })),
    };
  });
  return [
    ...sets('default'),
    ...sets('default-raw'),
    ...sets('override'),
    ...sets('override-raw'),
    ...filters,
  ];
}

function selectorsOf(models: Selections, where: string, refuse: Refuse): readonly Selector[] {
  if (models.length === 0)
    refuse(where, 'is empty, so the rule is for nothing', 'a list such as [{name: "gpt-*"}]');
  return models.map((model, index) => selectorOf(model, `${where}[${index}]`, refuse));
}

function selectorOf(model: Selections[number], where: string, refuse: Refuse): Selector {
  const pairs = (key: 'match' | 'not-match') =>
    model[key].flatMap((params, index) => paramsOf(params, `${where}.${key}[${index}]`, false, refuse));
  return {
    name: glob(model.name),
    protocol: formatOf(model.protocol, `${where}.protocol`, refuse),
    fromProtocol: formatOf(model['from-protocol'], `${where}.from-protocol`, refuse),
    headers: Object.entries(model.headers).map(([name, pattern]) => [name.toLowerCase(), glob(pattern)]),
    match: pairs('match'),
    notMatch: pairs('not-match'),
    exist: pathsOf(model.exist, `${where}.exist`, refuse),
    notExist: pathsOf(model['not-exist'], `${where}.not-exist`, refuse),
  };
}

function formatOf(name: string, where: string, refuse: Refuse): string | undefined {
  if (name === '') return undefined;
  const format = formatNamed(name);
  if (format === undefined)
    refuse(where, `"${name}" is no format`, `one of ${Object.keys(names).join(', ')}`);
  return format;
}

function paramsOf(
  params: Readonly<Record<string, unknown>>,
  where: string,
  raw: boolean,
  refuse: Refuse,
): readonly Param[] {
  return Object.entries(params).flatMap(([key, given]) => {
    const at = pathOf(where, key);
    const path = pathNamed(key, at, refuse);
    const value = raw ? parsed(given, at, refuse) : { json: given ?? null };
    return path && value ? [{ path, value: value.json }] : [];
  });
}

/** A JSON text; what YAML has read already is taken as it is. */
function parsed(given: unknown, where: string, refuse: Refuse): { readonly json: unknown } | undefined {
  if (typeof given !== 'string') return { json: given ?? null };
  try {
    return { json: JSON.parse(given) };
  } catch {
    refuse(where, 'is not JSON', 'a JSON text such as {"a": 1}; the keys without -raw take plain values');
    return undefined;
  }
}

const pathsOf = (texts: readonly string[], where: string, refuse: Refuse): readonly Path[] =>
  texts
    .map((path, index) => pathNamed(path, `${where}[${index}]`, refuse))
    .filter((path) => path !== undefined);

function pathNamed(path: string, where: string, refuse: Refuse): Path | undefined {
  try {
    return parsePath(path);
  } catch (thrown) {
    if (!(thrown instanceof PathFault)) throw thrown;
    refuse(where, `"${path}" is no path`, thrown.message);
    return undefined;
  }
}
