import { join } from 'node:path';
import { hereabouts } from '../config/places.ts';
import { resolvePaths } from '../config/paths.ts';
import { type Json, readNumber, readObject, readObjects, readString } from '../core/json.ts';
import { sqliteShelf } from '../state/sqlite.ts';
import { createState } from '../state/state.ts';
import { traceLimits } from '../telemetry/traces.ts';
import type { Options } from './arguments.ts';
import { askGateway, type Grounds, groundsOf } from './ask.ts';
import { print, printJson } from './print.ts';

/**
 * Prints what happened to one request, or the newest ones without an id. The running gateway is asked first, because the
 * newest traces are in its memory; else the state folder is read. @returns the exit code.
 */
export async function trace(id: string | undefined, options: Options): Promise<number> {
  const grounds = groundsOf(options);
  const path = id === undefined ? '/traces?limit=20' : `/traces/${encodeURIComponent(id)}`;
  const asked = await askGateway(grounds, path, options['management-key']);
  const body = asked.kind === 'answered' ? asked.body : await onDisk(grounds, id);
  if (body) {
    if (options.json) return printJson(body);
    return print(id === undefined ? listText(body) : traceText(body));
  }
  const reason = asked.kind === 'answered' ? '' : asked.kind === 'not-found' ? asked.message : asked.why;
  process.stderr.write(
    `There is no trace of ${id ?? 'any request'} in the state folder. The gateway itself was ${asked.kind === 'unreachable' ? `not asked: ${reason}` : `asked: ${reason}`}\n`,
  );
  return 1;
}

/** The traces of the state folder; undefined when it has none. */
async function onDisk({ config, path }: Grounds, id: string | undefined): Promise<Json | undefined> {
  const { state: place } = await resolvePaths(config, path, hereabouts());
  const state = createState({ open: () => sqliteShelf(join(place.path, 'state.sqlite')) });
  try {
    const space = state.space('traces', traceLimits);
    if (id !== undefined) return space.get(id);
    const traces = space.newest(20);
    return traces.length > 0 ? { traces } : undefined;
  } finally {
    state.close();
  }
}

/** One line a request, newest first. */
function listText(body: Json): string {
  const rows = readObjects(body.traces).map(
    (row) =>
      `${readString(row.at)}  ${readString(row.id)}  ${readNumber(row.status)}  ` +
      `${readString(row.route) ?? readString(row.model) ?? readString(row.path)}  ${readNumber(row.total_ms)} ms`,
  );
  return rows.length > 0 ? rows.join('\n') : 'There is no trace yet.';
}

/** The timeline of one request. */
function traceText(trace: Json): string {
  const text = (name: string) => readString(trace[name]);
  const error = readObject(trace.error);
  return [
    `${text('id')}  ${text('method')} ${text('path')}  ${readNumber(trace.status)}`,
    `  received    ${text('at')}${text('client') ? ` from ${text('client')}` : ''}${bytesText(trace.bytes_in)}`,
    line(
      'asked for',
      text('model') && `${text('model')} over ${text('protocol')}${trace.stream ? ', streamed' : ''}`,
    ),
    line('session', text('conversation')),
    ...readObjects(trace.skipped).map((each) =>
      line('skipped', `${readString(each.credential)} (${readString(each.model)}): ${readString(each.why)}`),
    ),
    ...readObjects(trace.attempts).map((each, index) => line(`attempt ${index + 1}`, attemptText(each))),
    line('headers', trace.early === true && 'sent before anybody had answered, so they name no route'),
    line('served by', text('route') && `${text('route')} with ${text('credential')}, ${text('lane')}`),
    line('selected', msText(trace.selected_ms)),
    line('first byte', msText(trace.first_byte_ms)),
    line('done', `${readNumber(trace.total_ms)} ms${bytesText(trace.bytes_out)}`),
    line('tokens', tokensText(readObject(trace.tokens))),
    line('dropped', Array.isArray(trace.dropped) && trace.dropped.join(', ')),
    line(
      'error',
      error && `${readString(error.code)} (${readString(error.scope)}): ${readString(error.message)}`,
    ),
  ]
    .filter((each) => each !== '')
    .join('\n');
}

const line = (name: string, text: string | false | undefined): string =>
  text ? `  ${name.padEnd(10)}  ${text}` : '';

const msText = (value: unknown): string | undefined => {
  const ms = readNumber(value);
  return ms === undefined ? undefined : `${ms} ms`;
};

const bytesText = (value: unknown): string => {
  const bytes = readNumber(value);
  return bytes === undefined ? '' : `, ${bytes.toLocaleString('en-US')} bytes`;
};

function attemptText(attempt: Json): string {
  const said = [readNumber(attempt.status), readString(attempt.code)].filter((word) => word !== undefined);
  const upstream = readString(attempt.upstream_request_id);
  const at = readNumber(attempt.at_ms);
  return (
    (at === undefined ? '' : `at ${at} ms `) +
    `${readString(attempt.provider)}/${readString(attempt.model)} with ${readString(attempt.credential)}: ` +
    `${readString(attempt.outcome)}${said.length > 0 ? ` (${said.join(' ')})` : ''} after ${readNumber(attempt.ms)} ms` +
    (upstream ? `, upstream request ${upstream}` : '')
  );
}

function tokensText(tokens: Json | undefined): string | undefined {
  if (!tokens) return undefined;
  const said = Object.entries(tokens).filter(([, value]) => typeof value === 'number' && value > 0);
  return said.map(([name, value]) => `${name} ${String(value)}`).join(', ');
}
