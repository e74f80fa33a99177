import { Pool } from '../accounts/pool/pool.ts';
import { buildRuntime } from '../config/build.ts';
import { hereabouts } from '../config/places.ts';
import { type Json, readArray, readNumber, readObject, readObjects, readString } from '../core/json.ts';
import { explainModel, modelRows } from '../relay/routing/explain.ts';
import { type Options, UsageError } from './arguments.ts';
import { askGateway, type Grounds, groundsOf } from './ask.ts';
import { print, printJson, table } from './print.ts';

/**
 * `models` prints what is offered, `models explain ID` why a name is served as it is. The running gateway is asked,
 * because only it knows who rests; else the config alone is read, and that is said. @returns the exit code.
 */
export async function models(words: readonly string[], options: Options): Promise<number> {
  const [action, id] = words;
  if (action === undefined) return list(options);
  if (action === 'explain' && id !== undefined) return explain(id, options);
  throw new UsageError('Use `models` or `models explain ID`.');
}

async function list(options: Options): Promise<number> {
  const { body, live } = await answer(options, '/models', (runtime, pool) => ({
    models: modelRows(runtime, pool),
  }));
  if (options.json) return printJson(body);
  const rows = readObjects(body.models).map((row) => [
    readString(row.id) ?? '',
    (readArray(row.providers) ?? []).join(', '),
    counted(row.context_window),
    counted(row.max_output_tokens),
    thinkingText(row.thinking),
    live ? `${readNumber(row.ready)} of ${readNumber(row.credentials)}` : `${readNumber(row.credentials)}`,
  ]);
  if (rows.length === 0)
    return print('No model is offered. Add a provider to the config file, or sign in to one.');
  const head = ['MODEL', 'PROVIDERS', 'CONTEXT', 'OUTPUT', 'THINKING', live ? 'READY' : 'CREDENTIALS'];
  return print(table([head, ...rows]));
}

const counted = (value: unknown): string => readNumber(value)?.toLocaleString('en-US') ?? '-';

function thinkingText(value: unknown): string {
  const thinking = readObject(value);
  if (!thinking) return readString(value) ?? '-';
  const levels = readArray(thinking.levels);
  return levels
    ? levels.join(' ')
    : `${readNumber(thinking.min) ?? 0}-${readNumber(thinking.max) ?? ''} tokens`;
}

async function explain(id: string, options: Options): Promise<number> {
  const { body, grounds } = await answer(
    options,
    `/models/explain?id=${encodeURIComponent(id)}`,
    (runtime, pool) => explainModel(runtime, pool, id),
  );
  const key = options.key === undefined ? undefined : keyText(options.key, grounds);
  if (options.json) return printJson(key === undefined ? body : { ...body, key });
  print(explanationText(body));
  if (key !== undefined) print(`  key         ${key}`);
  return readString(body.found_by) === undefined ? 1 : 0;
}

/** What the gateway makes of a client's key. Every key may use every model. */
function keyText(key: string, { config }: Grounds): string {
  const keys = config['api-keys'];
  if (keys.length === 0) return 'none is needed';
  return keys.includes(key.trim())
    ? 'is one of api-keys and may use every model'
    : 'is not one of api-keys; requests with it are answered 401';
}

/** How a name is served, line by line. */
function explanationText(body: Json): string {
  const text = (name: string) => readString(body[name]);
  const found = text('found_by');
  const nearest = (readArray(body.nearest) ?? []).join(', ');
  return [
    `${text('asked')}  ${found === undefined ? 'is not offered' : `is a ${foundWords[found] ?? found}`}`,
    ...(text('name') === text('asked') ? [] : [`  name        ${text('name')} (the suffix steers thinking)`]),
    ...readObjects(body.credentials).map((each) => `  serves      ${credentialText(each)}`),
    ...readObjects(body.skipped).map(
      (each) => `  skipped     ${readString(each.provider)} ${readString(each.why)}`,
    ),
    ...(nearest === '' ? [] : [`  nearest     ${nearest}`]),
    ...resetText(body),
  ].join('\n');
}

/** How to end the rests of those who are held back; a limit cannot be ended. */
function resetText(body: Json): readonly string[] {
  const resting = readObjects(body.credentials).flatMap(({ auth_index, held_back }) =>
    readObjects(held_back)
      .filter(({ code }) => code !== undefined)
      .map(({ whose }) => (whose === 'credential' || whose === 'model' ? readString(auth_index) : '*')),
  );
  const [index, ...others] = new Set(resting);
  if (index === undefined) return [];
  const whom = others.length > 0 ? '*' : index;
  return [`  to end rests now: POST /v0/management/reset-quota with {"auth_index": "${whom}"}`];
}

const foundWords: Readonly<Record<string, string>> = {
  name: 'model, an alias or a prefixed model of the list',
  address: 'model of one provider, addressed as provider/model',
  auto: 'word for the newest model',
  'any-name': 'name that nobody lists; it goes to who takes any name',
};

function credentialText(each: Json): string {
  const holds = readObjects(each.held_back).map((hold) =>
    [readString(hold.why), readString(hold.code), readString(hold.until) && `until ${readString(hold.until)}`]
      .filter(Boolean)
      .join(' '),
  );
  const state = [readString(each.state), ...holds].join(': ');
  return (
    `${readString(each.provider)} with ${readString(each.credential)} as ${readString(each.model)} ` +
    `(${readString(each.protocol)}, priority ${readNumber(each.priority)}): ${state}`
  );
}

interface Answered {
  readonly body: Json;
  /** The running gateway said it. */
  readonly live: boolean;
  readonly grounds: Grounds;
}

/** What the running gateway says, or what the config alone tells. */
async function answer(
  options: Options,
  path: string,
  alone: (...made: [runtime: ReturnType<typeof buildRuntime>['runtime'], pool: Pool]) => Json,
): Promise<Answered> {
  const grounds = groundsOf(options);
  const asked = await askGateway(grounds, path, options['management-key']);
  if (asked.kind === 'answered') return { body: asked.body, live: true, grounds };
  const why = asked.kind === 'unreachable' ? asked.why : asked.message;
  process.stderr.write(`The running gateway was not asked (${why}); this is what the config alone says.\n`);
  const { runtime } = buildRuntime(grounds.text, {
    file: grounds.path ?? 'config.yaml',
    environment: hereabouts().environment,
  });
  const body = alone(runtime, new Pool());
  await runtime.close();
  return { body, live: false, grounds };
}
