import type { Entry } from './lines.ts';
import type { Level } from './log.ts';

const colours: Readonly<Record<Level, number>> = { debug: 90, info: 36, warn: 33, error: 31 };

/** A line for a person at a terminal; `inColour` adds ANSI colours. The values in it are clean already. */
export function readable(entry: Entry, inColour: boolean): string {
  const paint = (code: number, text: string) => (inColour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const { time, level, event, ...fields } = entry;
  const at = paint(90, new Date(time).toTimeString().slice(0, 8));
  const head = `${at} ${paint(colours[level], level.toUpperCase().padEnd(5))}`;
  const told = event === 'request' ? requestWords(fields, paint) : `${event} ${pairs(fields)}`;
  return `${head} ${told.trimEnd()}`;
}

/** Fields of a line, or of a part of it. */
type Words = Readonly<Record<string, unknown>>;
type Paint = (code: number, text: string) => string;

/** `POST /v1/messages 200 1.20s (first 0.30s) claude-x > y via openrouter sk-o...9f3c 12+340 tokens id=…`. */
function requestWords(fields: Words, paint: Paint): string {
  const { model, model_used: used, provider, credential, tokens, failed } = fields;
  const status = Number(fields['status']);
  const words = [`${fields['method']} ${fields['path']}`, paint(statusColour(status), String(status))];
  words.push(seconds(fields['total_ms']));
  if (fields['first_byte_ms'] !== undefined) words.push(`(first ${seconds(fields['first_byte_ms'])})`);
  if (model) words.push(used && used !== model ? `${model} > ${used}` : String(model));
  if (provider) words.push(`via ${whose(provider, credential)}`);
  if (tokens) words.push(tokenWords(tokens as Words));
  if (fields['stream']) words.push('stream');
  if (fields['direct']) words.push('direct');
  for (const each of (failed ?? []) as readonly Words[]) words.push(paint(33, failedWords(each)));
  const rest = Object.entries(fields).filter(([name]) => !toldByRequest.has(name));
  return [...words, pairs(Object.fromEntries(rest))].join(' ');
}

/** Fields that `requestWords` tells in its own way, or that say nothing more to a person. */
const toldByRequest: ReadonlySet<string> = new Set(
  'method path status total_ms first_byte_ms model model_used provider credential tokens stream direct failed protocol attempts'.split(
    ' ',
  ),
);

const statusColour = (status: number) => (status >= 500 ? 31 : status >= 400 ? 33 : 32);
const seconds = (ms: unknown) => `${(Number(ms) / 1000).toFixed(Number(ms) < 10_000 ? 2 : 1)}s`;
const tokenWords = (tokens: Words) => `${tokens['input']}+${tokens['output']} tokens`;

/** A credential's label mostly begins with its provider. */
const whose = (provider: unknown, credential: unknown) =>
  String(credential ?? '').startsWith(`${provider} `)
    ? credential
    : [provider, credential].filter(Boolean).join(' ');

const failedWords = (attempt: Words) =>
  `failed: ${whose(attempt['provider'], attempt['credential'])} ${attempt['status_code'] ?? ''} ${attempt['code']}`;

const pairs = (fields: Words) =>
  Object.entries(fields)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => `${name}=${value(field)}`)
    .join(' ');

/** As it is when that reads as one word, else quoted. */
function value(field: unknown): string {
  if (typeof field === 'string' && /^[^\s"=]+$/.test(field)) return field;
  return JSON.stringify(field);
}
