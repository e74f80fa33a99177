import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../../src/core/error.ts';
import { fold, noUsage, type Reply, unfold } from '../../src/core/event.ts';
import { type Json, tryParseObject } from '../../src/core/json.ts';
import { chain, run } from '../../src/core/machine.ts';
import type { ChatRequest, Part } from '../../src/core/request.ts';
import { type Frame, frames, render } from '../../src/wire/sse.ts';
import { expectGrammar, terminalOf } from '../support/grammar.ts';
import { id, client, upstream, decode, call, echo, reply, blocksOf } from './anthropic-messages/words.ts';

/**
 * What is peculiar to Anthropic Messages: routes, whole replies, errors and recorded exchanges. Requests and streams have
 * their own files in `anthropic-messages/`; what all protocols promise is in `laws.test.ts`.
 */

describe('routes', () => {
  const [messages, count] = client.routes;

  test('read model and streaming from the body', () => {
    const hint = (body: Json) => messages!.hint({}, body, new URLSearchParams());
    expect(hint({ model: ' m ', stream: true })).toEqual({ model: 'm', stream: true });
    expect(hint({ model: 'm' })).toEqual({ model: 'm', stream: false });
    expect(hint({ model: 'm', stream: false })).toEqual({ model: 'm', stream: false });
    expect(() => hint({})).toThrow('model must be the name of a model');
  });

  test('never stream a count, and answer it in the vendor’s shape', () => {
    expect(count!.hint({}, { model: 'm', stream: true }, new URLSearchParams()).stream).toBe(false);
    expect(client.encodeCount!(7)).toEqual({ input_tokens: 7 });
  });

  test('keep a silent stream alive with a ping', () => {
    expect(run(frames(), [new TextEncoder().encode(client.heartbeat)])).toEqual([
      { event: 'ping', data: '{"type":"ping"}' },
    ]);
  });
});

describe('whole replies', () => {
  test('name the model the client asked for, and stop reasons in Claude’s words', () => {
    const whole = (changes: Partial<Reply>) =>
      client.encodeReply(reply(changes), echo()) as Record<string, any>;
    expect(whole({ id: '' })).toMatchObject({ id: 'msg_made', model: 'shown', type: 'message', content: [] });
    expect(whole({ reason: 'filter' }).stop_reason).toBe('refusal');
    expect(whole({ reason: 'length' }).stop_reason).toBe('max_tokens');
    expect(whole({ reason: 'stop', stop: 'END' })).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: 'END',
    });
  });

  test('never lose arguments that are no object', () => {
    expect(blocksOf(call('a', ''))[0].input).toEqual({});
    expect(blocksOf(call('a', '{"cut'))[0].input).toEqual({ _raw_arguments: '{"cut' });
    expect(blocksOf(call('a', '[1]'))[0].input).toEqual({ _raw_arguments: '[1]' });
    expect(blocksOf({ ...call('a', 'free'), custom: true } as Part)[0].input).toEqual({ input: 'free' });
  });

  test('say a refusal as text, and report what they cannot say', () => {
    const refusal: Part = { kind: 'refusal', text: 'No.' };
    expect(blocksOf(refusal)).toEqual([{ type: 'text', text: 'No.' }]);
    expect(client.encodeReply(reply({ parts: [refusal] }), echo())['stop_reason']).toBe('refusal');
    const to = echo();
    const image: Part = {
      kind: 'media',
      media: 'image',
      mime: 'image/png',
      source: { kind: 'data', data: 'AA' },
    };
    expect(blocksOf(image, to)).toEqual([
      { type: 'text', text: '[image omitted: not supported by this API]' },
    ]);
    expect(blocksOf({ kind: 'hosted-call', tool: 'file-search', callId: 'f', input: {} }, to)).toEqual([]);
    expect(to.dropped).toEqual(['content: image', 'content: file-search']);
  });

  test('write the counts that only Anthropic knows back', () => {
    const extra = { [id]: { server_tool_use: { web_search_requests: 2 } } };
    expect(client.encodeReply(reply({ usage: { ...noUsage, extra } }), echo()).usage).toMatchObject({
      server_tool_use: { web_search_requests: 2 },
    });
  });

  test('are refused when they are errors or no message', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(() => upstream.decodeReply(error)).toThrow('Overloaded');
    expect(() => upstream.decodeReply({ error: 'nope' })).toThrow('nope');
    expect(() => upstream.decodeReply({ choices: [] })).toThrow('no content');
  });
});

describe('errors', () => {
  const shown = (fault: GatewayError['fault']): Json =>
    client.encodeError(new GatewayError(fault, 'It failed.', { remedy: 'Retry.' }), 'req-1');

  test.each([
    [{ kind: 'invalid-request' }, 'invalid_request_error'],
    [{ kind: 'unauthorized' }, 'authentication_error'],
    [{ kind: 'upstream-forbidden', status: 402 }, 'billing_error'],
    [{ kind: 'forbidden' }, 'permission_error'],
    [{ kind: 'not-found', what: 'model' }, 'not_found_error'],
    [{ kind: 'method-not-allowed', allow: [] }, 'invalid_request_error'],
    [{ kind: 'too-large' }, 'request_too_large'],
    [{ kind: 'rate-limited' }, 'rate_limit_error'],
    [{ kind: 'internal' }, 'api_error'],
    [{ kind: 'upstream-failed', status: 500 }, 'api_error'],
    [{ kind: 'overloaded' }, 'overloaded_error'],
    [{ kind: 'unavailable' }, 'overloaded_error'],
    [{ kind: 'transport', phase: 'first-byte' }, 'timeout_error'],
  ] as const)('are told in Anthropic’s types: %j is %s', (fault, type) => {
    expect(shown(fault)).toMatchObject({
      type: 'error',
      error: { type, message: 'It failed. Retry.' },
      request_id: 'req-1',
    });
  });

  const fixture = (name: string) => readFileSync(join(import.meta.dir, '../fixtures', id, name), 'utf8');

  test('of an upstream keep their type, request id and time to wait', () => {
    const { status, headers, body } = JSON.parse(fixture('error-429.reply.json'));
    const error = upstream.decodeError(status, new Headers(headers), JSON.stringify(body));
    expect(error).toMatchObject({
      fault: { kind: 'rate-limited' },
      retryAfterMs: 30_000,
      upstream: { status: 429, type: 'rate_limit_error', requestId: 'req_011CSHoEeqs5C35K2UUqR7Fy' },
    });
    expect(error.message).toContain('exceed your account');
  });

  test('of an upstream blame the credential for an empty balance, not the request', () => {
    const body = {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' },
    };
    const error = upstream.decodeError(400, new Headers(), JSON.stringify(body));
    expect(error).toMatchObject({ fault: { kind: 'upstream-forbidden', status: 402 }, scope: 'credential' });
  });
});

// ------------------------------------------------------------------------------------------- recorded exchanges

const shared = join(import.meta.dir, '../../../shared');
const recorded = join(shared, 'fixtures/anthropic');
const shapes = join(shared, 'shapes');
const without = (folder: string) => (existsSync(folder) ? '' : ` (skipped: ${folder} is absent)`);

function jsonFiles(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .map((file) => join(folder, file));
}

/** The recordings of client requests cut long lists short with a line such as `…<24 items>`. */
const uncut = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, item: unknown) =>
    Array.isArray(item) ? item.filter((one) => typeof one !== 'string' || !/^…<\d+ items>$/.test(one)) : item,
  );

describe('recorded exchanges', () => {
  test.skipIf(!existsSync(recorded))(`of Anthropic are read, both ways and back${without(recorded)}`, () => {
    for (const file of jsonFiles(recorded)) {
      const { stream, status, request, response } = JSON.parse(readFileSync(file, 'utf8'));
      if (request?.body) expectRequest(JSON.parse(request.body), file);
      if (status !== 200) {
        const error = upstream.decodeError(status, new Headers(response.headers), response.body);
        expect(error.upstream?.status).toBe(status);
        continue;
      }
      if (!stream) {
        expectReply(upstream.decodeReply(JSON.parse(response.body)), file);
        continue;
      }
      const said = run(chain(frames(), upstream.decodeStream()), [new TextEncoder().encode(response.body)]);
      expectGrammar(said, file);
      expect(terminalOf(said).type).toBe('finish');
      expectReply(fold(said), file);
    }
  });

  test.skipIf(!existsSync(join(shared, 'fixtures/count_tokens')))(
    `of counts are read${without(join(shared, 'fixtures/count_tokens'))}`,
    () => {
      for (const file of jsonFiles(join(shared, 'fixtures/count_tokens'))) {
        const { vendor, request } = JSON.parse(readFileSync(file, 'utf8'));
        if (vendor === 'anthropic') expectRequest(JSON.parse(request.body), file);
      }
    },
  );

  test.skipIf(!existsSync(shapes))(`of real clients are read${without(shapes)}`, () => {
    const bodies = jsonFiles(shapes)
      .map((file) => ({ file, ...JSON.parse(readFileSync(file, 'utf8')) }))
      .filter(({ url, method }) => method === 'POST' && url?.startsWith('/v1/messages'));
    expect(bodies.length).toBeGreaterThan(30);
    for (const { file, body } of bodies) expectRequest(uncut(body) as Json, file);
  });

  /** A request is written back as it was read, and nothing of it is lost but a wish to think that Anthropic would refuse. */
  function expectRequest(body: Json, file: string): void {
    const request = decode(body);
    // The rest of a continued thread lies with Anthropic, so only the direct lane can serve it; and a system message
    // in the middle becomes a reminder.
    if (body.thread || request.messages.some(({ role }) => role === 'system')) return;
    const dropped: string[] = [];
    const written = upstream.encodeRequest(request, {
      model: request.model,
      drop: (what) => dropped.push(what),
    });
    const again = decode(JSON.parse(JSON.stringify(written)));
    const lost = dropped.filter((what) => !what.startsWith('reasoning: '));
    expect({ file, lost, request: settled(again, body, dropped) }).toEqual({
      file,
      lost: [],
      request: settled(request, body, dropped),
    });
  }

  /** Without what the encoder has to fill in, and without the wish to think where it had to be refused. */
  function settled(request: ChatRequest, body: Json, dropped: readonly string[]): unknown {
    const { reasoning, sampling, ...rest } = request;
    const { maxTokens, ...others } = sampling;
    return {
      ...rest,
      sampling: others,
      maxTokens: body.max_tokens === undefined ? undefined : maxTokens,
      reasoning: dropped.length > 0 ? undefined : reasoning,
    };
  }

  /** Written for a client and read again, a reply is the same but for white space in arguments. */
  function expectReply(whole: Reply, file: string): void {
    const to = echo({ model: whole.model });
    const again = upstream.decodeReply(JSON.parse(JSON.stringify(client.encodeReply(whole, to))));
    const written: Frame[] = run(client.encodeStream(to), unfold(whole));
    const streamed = run(chain(frames(), upstream.decodeStream()), [
      new TextEncoder().encode(written.map(render).join('')),
    ]);
    expect({ file, reply: plain(again) }).toEqual({ file, reply: plain(whole) });
    expect({ file, reply: plain(fold(streamed)) }).toEqual({ file, reply: plain(whole) });
    expect(to.dropped).toEqual([]);
  }

  const plain = (whole: Reply): Reply => ({
    ...whole,
    parts: whole.parts.map((part) =>
      part.kind === 'tool-call' ? { ...part, args: compacted(part.args) } : part,
    ),
  });

  /** Arguments without white space; those that a token limit cut are no JSON and stay as they are. */
  const compacted = (args: string) => {
    const parsed = tryParseObject(args);
    return parsed ? JSON.stringify(parsed) : args;
  };
});
