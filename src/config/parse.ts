import type { TObject, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Document, LineCounter, parseAllDocuments, type Node } from 'yaml';
import type { Channel } from '../channels/channel.ts';
import { decode, type Place, type Reader } from './decode.ts';
import { type Environment, type Override, overridesOf } from './environment.ts';
import { ConfigError, type ConfigFault, faultLine, faultWithout, type Notice, pathOf } from './fault.ts';
import { type Config, documentSchema, rowsOf, type Shape } from './schema.ts';
import { type Report, reportOn } from './report.ts';
import { settle } from './settle.ts';
import { syntaxFaults } from './syntax.ts';

/** Where a text comes from and what it is read with. */
export interface Origin {
  /** How the file is named in messages. */
  readonly file: string;
  readonly environment: Environment;
  /** The channels whose slices the text may hold; all by default. */
  readonly channels?: readonly Channel[];
}

/** A text that passed every check. */
export interface Checked {
  readonly config: Config;
  readonly notices: readonly Notice[];
  /** A fault found later at a key path, with the line it stands on; a path that is not there takes its parent's. */
  faultAt(path: string, message: string, expected?: string): ConfigFault;
  noticeAt(path: string, message: string): Notice;
}

/**
 * Reads the text of a config file: YAML, then the schema of every key, then the environment over it, then what only
 * holds between keys.
 * @throws ConfigError with every fault and every notice found.
 */
export function parseConfig(source: string, origin: Origin): Checked {
  const text = source.replace(/^\ufeff/, '');
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    merge: true,
    prettyErrors: false,
    lineCounter: lines,
    logLevel: 'silent',
  });
  const parsed = 'empty' in documents ? [] : documents;
  const report = reportOn(text, lines, origin.file);
  report.faults.push(...syntaxFaults(parsed, text, report.faultAtOffset));
  if (report.faults.some(({ path }) => path === '')) throw new ConfigError(report.faults, report.notices);

  const schema = documentSchema(origin.channels);
  const document = parsed[0] ?? new Document();
  for (const { pos, message } of document.warnings)
    report.warn({ path: '', name: '', offset: pos[0] }, message);
  const reader = readerOf(document, schema, origin.environment, report);
  const root: Place = { path: '', name: '', offset: 0 };
  const config = decode(schema, document.contents, root, reader) as Config;
  if (document.contents === null && text.trim() === '')
    report.warn(root, 'the file is empty; every key has its default');
  for (const override of overridesOf(origin.environment)) apply(override, config, schema, reader, report);

  const checked: Checked = {
    config,
    notices: report.notices,
    faultAt: (path, message, expected = '') => report.faultAtPath(path, message, expected),
    noticeAt: (path, message) => report.noticeAtPath(path, message),
  };
  settle(config, origin.environment, checked, report);
  if (report.faults.length === 0) report.faults.push(...leftOver(schema, config, checked));
  if (report.faults.length > 0) throw new ConfigError(inOrder(report.faults), report.notices);
  return checked;
}

/** By place in the file, each said once. */
function inOrder(faults: readonly ConfigFault[]): ConfigFault[] {
  const unique = new Map(faults.map((fault) => [faultLine(fault), fault]));
  return [...unique.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** What TypeBox itself still holds against the value: rules of a channel's schema that `decode` does not know. */
function leftOver(schema: TObject, config: Config, checked: Checked): ConfigFault[] {
  // A look for errors costs several times as much as the answer that there are none.
  if (Value.Check(schema, config)) return [];
  const [error] = Value.Errors(schema, config);
  if (!error) return [];
  const keys = error.path.split('/').slice(1);
  const path = keys.reduce((parent, key) => pathOf(parent, /^\d+$/.test(key) ? Number(key) : key), '');
  return [checked.faultAt(path, 'is not accepted', error.message)];
}

/** Sets one key from the environment, through the same schema as the file. */
function apply(override: Override, config: Config, schema: TSchema, reader: Reader, report: Report): void {
  const { variable, keys, value } = override;
  const name = keys.at(-1) ?? '';
  const target = keys.reduce((parent, key) => (parent as Shape).properties?.[key] ?? parent, schema);
  const node = new Document().createNode(value) as Node;
  const place: Place = { path: variable, name, offset: 0 };
  const decoded = decode(target, node, place, {
    ...reader,
    environment: {},
    fault: (at, message, expected) => {
      report.faults.push(faultWithout('environment', at.path, message, expected));
    },
    warn: ({ path }, message) => {
      report.notices.push({ kind: 'warning', file: 'environment', line: 0, path, message });
    },
    withoutEffect: () => {},
    seen: () => {},
  });
  if (decoded === undefined) return;
  let parent = config as unknown as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
  parent[name] = decoded;
  // Faults found in it later must name the variable, not a line of the file that it replaces.
  report.overridden.set(keys.reduce(pathOf, ''), variable);
  for (const path of report.offsets.keys()) if (path.startsWith(`${name}[`)) report.offsets.delete(path);
}

function readerOf(document: Document, schema: TObject, environment: Environment, report: Report): Reader {
  return {
    document,
    environment,
    aliases: { left: 1000 },
    elsewhere: (name) => renamed.get(name) ?? placeOf(name, schema),
    fault: (at, message, expected) => {
      report.faults.push(report.faultAtOffset(at.offset, at.path, message, expected));
    },
    warn: report.warn,
    withoutEffect: (at, reason) => {
      const { line } = report.placeOf(at.offset);
      report.notices.push({
        kind: 'without-effect',
        file: report.file,
        line,
        path: at.path,
        message: reason,
      });
    },
    seen: (at) => report.offsets.set(at.path, at.offset),
  };
}

/** Where the document has a key of this name below the top. */
function placeOf(name: string, schema: TObject): string | undefined {
  for (const { path } of rowsOf(schema)) if (path.endsWith(`.${name}`) && !path.includes('*')) return path;
  return undefined;
}

/** Names that older versions of the reference used. */
const renamed: ReadonlyMap<string, string> = new Map([
  ['generative-language-api-key', 'gemini-api-key'],
  ['auth', 'api-keys'],
  ['amp-upstream-url', 'ampcode.upstream-url'],
]);
