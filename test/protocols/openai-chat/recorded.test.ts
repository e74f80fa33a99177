import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fold, unfold } from '../../../src/core/event.ts';
import { type Json, tryParseObject } from '../../../src/core/json.ts';
import { run } from '../../../src/core/machine.ts';
import type { ChatRequest } from '../../../src/core/request.ts';
import openaiChat from '../../../src/protocols/openai-chat/index.ts';
import { expectGrammar, terminalOf } from '../../support/grammar.ts';
import { decodeBytes, echoOf } from '../../support/wires.ts';
import { client, decode, encode, upstream } from './support.ts';

interface Recorded {
  readonly name: string;
  readonly request: { readonly url: string; readonly body: unknown };
  readonly response: {
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body?: unknown;
    readonly body_base64?: string;
  };
}

const shared = join(import.meta.dir, '../../../../shared');
const absent = existsSync(shared) ? '' : ' (skipped: ../shared is absent)';

/** Every JSON file below a folder of ../shared. */
function recorded(folder: string): readonly Recorded[] {
  const root = join(shared, folder);
  if (absent) return [];
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.json'),
  );
  return files.sort().map((name) => ({
    name,
    ...(JSON.parse(readFileSync(join(root, name), 'utf8')) as Omit<Recorded, 'name'>),
  }));
}

const bodyText = ({ response: { body, body_base64 } }: Recorded): string => {
  if (body_base64 !== undefined) return Buffer.from(body_base64, 'base64').toString();
  return typeof body === 'string' ? body : JSON.stringify(body);
};

/** The body as an object, without the marks of what the recorder left out. */
function requestBody({ request: { body } }: Recorded): Json | undefined {
  const parsed = typeof body === 'string' ? tryParseObject(body) : (body as Json | undefined);
  const tools = parsed?.['tools'];
  return parsed && Array.isArray(tools)
    ? { ...parsed, tools: tools.filter((tool) => typeof tool !== 'string') }
    : parsed;
}

describe('recorded exchanges', () => {
  const fixtures = recorded('fixtures/openai-chat');
  const good = fixtures.filter(({ response }) => response.status === 200);

  test.skipIf(absent !== '')(`every recorded stream is read inside the grammar${absent}`, () => {
    const streams = good.filter(({ name }) => name.startsWith('stream'));
    expect(streams.length).toBeGreaterThan(50);
    for (const fixture of streams) {
      const said = decodeBytes(openaiChat, new TextEncoder().encode(bodyText(fixture)));
      expectGrammar(said, fixture.name);
      expect({ name: fixture.name, last: terminalOf(said).type }).toEqual({
        name: fixture.name,
        last: 'finish',
      });
      const { id, model } = fold(said);
      expect({ name: fixture.name, known: id !== '' && model !== '' }).toEqual({
        name: fixture.name,
        known: true,
      });
    }
  });

  test.skipIf(absent !== '')(
    `every recorded reply is read, and told and read again as the same${absent}`,
    () => {
      const replies = good.filter(({ name }) => name.startsWith('json'));
      expect(replies.length).toBeGreaterThan(80);
      for (const fixture of replies) {
        const whole = upstream.decodeReply(JSON.parse(bodyText(fixture)) as Json);
        expect({ name: fixture.name, counted: whole.usage.input > 0 }).toEqual({
          name: fixture.name,
          counted: true,
        });
        expectGrammar([...unfold(whole)], fixture.name);
        const again = upstream.decodeReply(client.encodeReply(whole, echoOf(decode({}), whole.model)));
        expect({ name: fixture.name, ...again }).toEqual({ name: fixture.name, ...whole });
      }
    },
  );

  test.skipIf(absent !== '')(`every recorded stream is told and read again as the same${absent}`, () => {
    for (const fixture of good.filter(({ name }) => name.startsWith('stream'))) {
      const said = decodeBytes(openaiChat, new TextEncoder().encode(bodyText(fixture)));
      const whole = fold(said);
      // A call without arguments is told with an empty object.
      const parts = whole.parts.map((part) =>
        part.kind === 'tool-call' ? { ...part, args: part.args || '{}' } : part,
      );
      const request = decode({ stream: true, stream_options: { include_usage: true } });
      const frames = run(client.encodeStream(echoOf(request, whole.model)), said);
      expect({ name: fixture.name, ...fold(run(upstream.decodeStream(), frames)) }).toEqual({
        name: fixture.name,
        ...whole,
        parts,
      });
    }
  });

  test.skipIf(absent !== '')(`every recorded refusal is read and blames nobody else${absent}`, () => {
    const refusals = fixtures.filter(({ response }) => response.status !== 200);
    expect(refusals.length).toBeGreaterThan(10);
    for (const fixture of refusals) {
      const { status, headers } = fixture.response;
      const error = upstream.decodeError(status, new Headers(headers), bodyText(fixture));
      const scope =
        status === 401 || status === 429
          ? 'credential'
          : error.fault.kind === 'not-found'
            ? 'model'
            : 'request';
      expect({ name: fixture.name, scope: error.scope }).toEqual({ name: fixture.name, scope });
    }
  });

  test.skipIf(absent !== '')(`every recorded request is read and written${absent}`, () => {
    const bodies = [
      ...fixtures,
      ...recorded('shapes').filter(({ request }) => request?.url?.includes('chat/completions')),
    ];
    for (const fixture of bodies) {
      const body = requestBody(fixture);
      if (!body?.['model']) continue;
      const request = decode(body);
      const { body: written } = encode(request, request.model);
      const again = decode(written);
      const thoughtless = ({ messages }: ChatRequest) =>
        messages.map(({ role, parts }) => ({
          role,
          parts: parts.filter((part) => part.kind !== 'reasoning'),
        }));
      expect({ name: fixture.name, said: thoughtless(again) }).toEqual({
        name: fixture.name,
        said: thoughtless(request),
      });
      expect({ name: fixture.name, tools: again.tools, system: again.system }).toEqual({
        name: fixture.name,
        tools: request.tools,
        system: request.system,
      });
    }
  });
});
