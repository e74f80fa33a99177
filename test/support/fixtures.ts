import { expect } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { GatewayError } from '../../src/core/error.ts';
import type { ChatEvent } from '../../src/core/event.ts';
import { parseObject, readObject, type Json } from '../../src/core/json.ts';

/** The tests' own recorded inputs and agreed outputs: `test/fixtures/<protocol>/<scenario>.<what>`. */
export const fixtures = join(import.meta.dir, '../fixtures');

/** `UPDATE=1 bun test` writes the agreed outputs anew. Never in CI: there a difference is a failure. */
const updating = process.env.UPDATE === '1';
if (updating && process.env.CI) throw new Error('UPDATE=1 rewrites golden files, which CI must never do.');

/** One case of one protocol. What a case is about decides which inputs it has. */
export interface Scenario {
  readonly protocol: string;
  readonly name: string;
  /** A client's request body. */
  readonly request?: Json;
  /** An upstream's stream, as bytes. */
  readonly sse?: Uint8Array;
  /** The same answer as an upstream gives it whole. */
  readonly reply?: Json;
  /** An upstream's refusal: in scenarios named `error-<status>`. */
  readonly failure?: Failure;
}

/** An answer with an error status, as it comes. */
export interface Failure {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Every scenario of a protocol, by name. Adding a case is adding files. */
export function scenariosOf(protocol: string): readonly Scenario[] {
  const folder = join(fixtures, protocol);
  if (!existsSync(folder)) return [];
  const inputs = readdirSync(folder).flatMap(
    (file) => /^(.+)\.(request\.json|sse|reply\.json)$/.exec(file)?.[1] ?? [],
  );
  return [...new Set(inputs)].sort().map((name) => {
    const read = (ending: string) => {
      const path = join(folder, `${name}.${ending}`);
      return existsSync(path) ? readFileSync(path) : undefined;
    };
    const request = read('request.json')?.toString();
    const reply = read('reply.json')?.toString();
    const sse = read('sse');
    return {
      protocol,
      name,
      ...(request === undefined ? {} : { request: parseObject(request) }),
      ...(reply === undefined ? {} : answerIn(name, parseObject(reply))),
      ...(sse === undefined ? {} : { sse: new Uint8Array(sse) }),
    };
  });
}

/** A reply file holds a reply, or in scenarios named `error-<status>` an error body with its headers. */
function answerIn(name: string, file: Json): Pick<Scenario, 'reply' | 'failure'> {
  const status = Number(/^error-(\d{3})/.exec(name)?.[1]);
  if (!status) return { reply: file };
  const headers = new Headers((readObject(file.headers) ?? {}) as Record<string, string>);
  return { failure: { status, headers, text: JSON.stringify(readObject(file.body) ?? file) } };
}

/** Compares a text with its golden file under `test/fixtures`, or writes it when updating. */
export function expectGolden(path: string, actual: string): void {
  expectFile(join(fixtures, path), actual);
}

/** `expectGolden` for a file anywhere, such as a generated page under `docs/`. How JSON and tables are laid out is the formatter's. */
export function expectFile(full: string, actual: string): void {
  if (updating) {
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, actual);
    written.push(full);
    return;
  }
  if (!existsSync(full))
    throw new Error(`The golden file ${full} is missing. Run UPDATE=1 bun test and review what it writes.`);
  const agreed = readFileSync(full, 'utf8');
  if (full.endsWith('.json')) expect(JSON.parse(actual)).toEqual(JSON.parse(agreed));
  else if (full.endsWith('.md')) expect(squeezed(actual)).toBe(squeezed(agreed));
  else expect(actual).toBe(agreed);
}

const squeezed = (text: string): string => text.replace(/[ -]+/g, ' ');

const written: string[] = [];

/** Formats what was written; for the `afterAll` of a file that writes goldens. */
export function formatGoldens(): void {
  const formatted = written.splice(0).filter((path) => /\.(json|md)$/.test(path));
  if (formatted.length === 0) return;
  const prettier = join(import.meta.dir, '../../node_modules/prettier/bin/prettier.cjs');
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, prettier, '--write', ...formatted]);
  if (exitCode !== 0) throw new Error(stderr.toString());
}

/** JSON as golden files hold it. Ids that the program makes up become their order of appearance. */
export const golden = (value: unknown): string => settled(JSON.stringify(value, null, 2)) + '\n';

/** One event a line; errors by their fault and message. */
export const goldenEvents = (events: readonly ChatEvent[]): string =>
  settled(events.map((event) => JSON.stringify(plain(event)) + '\n').join(''));

/** An event as plain data, so that errors can be compared and written. */
export const plain = (event: ChatEvent): unknown =>
  event.type === 'error' ? { type: 'error', error: plainError(event.error) } : event;

/** What of an error is agreed: everything but its cause. */
export function plainError({ fault, message, remedy, scope, retryAfterMs, upstream }: GatewayError): unknown {
  return { fault, message, remedy, scope, retryAfterMs, upstream };
}

/** A text with every made-up id (`call_` and 24 hex digits, say) replaced by its number of appearance. */
export function settled(text: string): string {
  const seen = new Map<string, string>();
  return text.replace(/\b([a-z]+[_-])([0-9a-f]{24})\b/g, (id, prefix: string) => {
    const known = seen.get(id) ?? `${prefix}made-up-${seen.size + 1}`;
    seen.set(id, known);
    return known;
  });
}
