import { RateLimitError as ClaudeRateLimitError } from '@anthropic-ai/sdk';
import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { RateLimitError } from 'openai';
import { protocols } from '../../src/protocols/index.ts';
import { cleanUp } from '../support/binary.ts';
import type { Fault } from '../support/simulator.ts';
import { refusingUrl, simulatorKey } from '../support/upstream.ts';
import { terminals } from '../support/wires.ts';
import { ask, behind, directions, framesOf, gateway, type Direction, type Gateway } from './gateway.ts';

/** What a client sees when a provider fails, in all four directions, on the compiled binary. */

const protocolOf = ({ client }: Direction) => protocols.find((protocol) => protocol.id === client)!;
const secondKey = 'sk-upstream-second-fedcba9876543210';

/** Each test gets a gateway of its own: a failure cools a credential down, and the next test must not feel it. */
let it: Gateway;
const open = async (...wish: Parameters<typeof gateway>) => (it = await gateway(...wish));
afterEach(() => it?.stop());
afterAll(cleanUp);

for (const direction of directions)
  describe(`${direction.client} client, ${direction.model}`, () => {
    test.each([
      { kind: 'cut', after: 3, clean: true },
      { kind: 'cut', after: 3, clean: false },
      { kind: 'reset', when: 'mid-body', after: 3 },
      { kind: 'malformed', after: 3 },
      { kind: 'error-event', after: 3 },
    ] as Fault[])('a stream that breaks after some content ends in exactly one error: %j', async (fault) => {
      await open();
      const seen = Promise.withResolvers<void>();
      behind(it, direction).next.push({ ...fault, until: seen.promise } as Fault);
      const response = await ask(it.program, direction, 'count to 50', { body: { stream: true } });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      const sent = await framesOf(response, (text) => text.includes('"2 "') && seen.resolve());
      expect(sent.some((frame) => frame.data.includes('"2 "'))).toBe(true);
      expect(terminals(protocolOf(direction), sent)).toEqual({ count: 1, last: 'error' });
    });

    test('a stream without its closing mark is closed when all was said, and an error when not', async () => {
      await open();
      behind(it, direction).next.push({ kind: 'missing-end' });
      const sent = await framesOf(await ask(it.program, direction, 'count to 9', { body: { stream: true } }));
      // OpenAI's last mark says nothing; Anthropic's last two events tell why the model stopped.
      const last = direction.model === 'gpt-sim' ? 'finish' : 'error';
      expect(terminals(protocolOf(direction), sent)).toEqual({ count: 1, last });
    });

    test('a stream that drips byte by byte comes whole', async () => {
      await open();
      behind(it, direction).next.push({ kind: 'drip' });
      const sent = await framesOf(
        await ask(it.program, direction, 'say Grüße 世界 😀', { body: { stream: true } }),
      );
      expect(terminals(protocolOf(direction), sent)).toEqual({ count: 1, last: 'finish' });
      const text = sent.map(({ data }) => /"(?:content|text)":"([^"]+)"/.exec(data)?.[1] ?? '').join('');
      expect(text).toBe('Grüße 世界 😀');
    });

    test('silence in the middle is filled with heartbeats, and the stream goes on', async () => {
      await open({ more: 'streaming:\n  keepalive-seconds: 1\n' });
      const gate = Promise.withResolvers<void>();
      behind(it, direction).next.push({ kind: 'pause', after: 2, until: gate.promise });
      const response = await ask(it.program, direction, 'count to 9', { body: { stream: true } });
      let text = '';
      for await (const chunk of response.body!) {
        text += Buffer.from(chunk).toString();
        // A provider may send heartbeats of its own before it speaks.
        if (text.slice(text.indexOf('"2 "')).includes(protocolOf(direction).client!.heartbeat))
          gate.resolve();
      }
      expect(text).toContain('"9"');
    });

    test('a client that leaves is followed by the upstream connection', async () => {
      await open();
      const simulator = behind(it, direction);
      simulator.next.push(
        { kind: 'hang', when: 'mid-body', after: 3 },
        { kind: 'hang', when: 'after-headers' },
        { kind: 'hang', when: 'before-headers' },
      );
      for (const count of [1, 2, 3]) {
        const leaving = new AbortController();
        const asking = ask(it.program, direction, 'count to 50', {
          body: { stream: true },
          signal: leaving.signal,
        })
          .then((response) => framesOf(response))
          .catch(() => 'left');
        const received = await simulator.arrival(count);
        leaving.abort();
        await received.left;
        expect(received.abandoned).toBe(true);
        expect(await asking).toBe('left');
      }
    });

    test.each([
      { kind: 'status', status: 401 },
      { kind: 'status', status: 403 },
      { kind: 'status', status: 429 },
      { kind: 'status', status: 500 },
      { kind: 'status', status: 529 },
      { kind: 'error-event', after: 0 },
      { kind: 'error-body' },
      { kind: 'reset', when: 'before-headers' },
      { kind: 'reset', when: 'after-headers' },
      { kind: 'cut', after: 0, clean: true },
      { kind: 'wrong-type' },
    ] as Fault[])('a key that fails before any content gives way to the next key: %j', async (fault) => {
      await open({ keys: [simulatorKey, secondKey] });
      const simulator = behind(it, direction);
      simulator.byKey.set(simulatorKey, fault);
      for (let count = 0; count < 3; count++) {
        const sent = await framesOf(await ask(it.program, direction, 'say fine', { body: { stream: true } }));
        expect(terminals(protocolOf(direction), sent)).toEqual({ count: 1, last: 'finish' });
        expect(sent.map((frame) => frame.data).join('')).toContain('fine');
      }
      const whole = await ask(it.program, direction, 'say fine');
      expect(whole.status).toBe(200);
      expect(await whole.text()).toContain('fine');
      expect(simulator.received.length).toBeGreaterThan(4);
    });

    test.each([
      [{ kind: 'status', status: 401 }, 502],
      [{ kind: 'status', status: 403 }, 403],
      [{ kind: 'status', status: 429 }, 429],
      [
        {
          kind: 'status',
          status: 400,
          body: '{"error":{"message":"bad thing","type":"invalid_request_error"}}',
        },
        400,
      ],
      [{ kind: 'error-event', after: 0 }, undefined],
      [{ kind: 'reset', when: 'before-headers' }, 502],
      [{ kind: 'wrong-type' }, 502],
    ] as [Fault, number | undefined][])(
      'with no key left, %j is told before the stream begins, as %p',
      async (fault, status) => {
        await open();
        behind(it, direction).always = fault;
        const first = await ask(it.program, direction, 'Hi', { body: { stream: true } });
        if (status) expect(first.status).toBe(status);
        // The credential may be cooling down by now, which is a failure with the same reason.
        const second = await ask(it.program, direction, 'Hi');
        for (const response of [first, second]) {
          expect(response.status).toBeGreaterThanOrEqual(400);
          expect(response.headers.get('content-type')).toContain('application/json');
          const body = (await response.json()) as { error: { message: string } };
          expect(body.error.message.length).toBeGreaterThan(10);
          if (status === 429) expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
        }
      },
    );
  });

describe('the SDKs see their own error classes', () => {
  test('for a provider that throttles', async () => {
    await open();
    it.openai.always = { kind: 'status', status: 429 };
    it.anthropic.always = { kind: 'status', status: 429 };
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    for (const model of ['gpt-sim', 'claude-sim']) {
      const chat = await it.gpt.chat.completions.create({ model, messages }).catch((error: unknown) => error);
      expect(chat).toBeInstanceOf(RateLimitError);
      const message = await it.claude.messages
        .create({ model, max_tokens: 9, messages })
        .catch((error: unknown) => error);
      expect(message).toBeInstanceOf(ClaudeRateLimitError);
    }
  });

  test('for a stream that breaks', async () => {
    await open();
    const messages = [{ role: 'user' as const, content: 'count to 50' }];
    for (const model of ['gpt-sim', 'claude-sim'] as const) {
      const simulator = behind(it, { client: 'openai-chat', model });
      const fault: Fault = { kind: 'cut', after: 3, clean: true };
      simulator.next.push(fault, fault);
      const chat = it.gpt.chat.completions.stream({ model, messages });
      await expect(chat.finalChatCompletion()).rejects.toThrow();
      const message = it.claude.messages.stream({ model, max_tokens: 99, messages });
      await expect(message.finalMessage()).rejects.toThrow();
    }
  });
});

test('a provider that nobody can reach is named with what to do', async () => {
  await open({ openaiUrl: refusingUrl(), anthropicUrl: refusingUrl() });
  for (const direction of directions) {
    const response = await ask(it.program, direction, 'Hi', { body: { stream: true } });
    expect([502, 503]).toContain(response.status);
    expect(((await response.json()) as { error: { message: string } }).error.message.length).toBeGreaterThan(
      10,
    );
  }
});

test('a frame of 20 MiB comes through both lanes', async () => {
  await open();
  for (const direction of directions) {
    behind(it, direction).next.push({ kind: 'huge', mib: 20 });
    const sent = await framesOf(await ask(it.program, direction, 'Hi', { body: { stream: true } }));
    expect(terminals(protocolOf(direction), sent)).toEqual({ count: 1, last: 'finish' });
    expect(sent.reduce((length, frame) => length + frame.data.length, 0)).toBeGreaterThan(20 * 1024 * 1024);
  }
});

describe("the operator's word", () => {
  test('a fallback answers for a provider that fails, and the answer names it', async () => {
    await open({ more: 'fallbacks:\n  gpt-sim: [claude-sim]\n  claude-sim: [gpt-sim]\n' });
    for (const direction of directions) {
      behind(it, direction).next.push({ kind: 'status', status: 503 });
      const response = await ask(it.program, direction, 'say fine', { body: { stream: true } });
      const other = direction.model === 'gpt-sim' ? 'claude/claude-sim' : 'sim/gpt-sim';
      expect(response.headers.get('x-gateway-route')).toBe(other);
      const sent = await framesOf(response);
      expect(terminals(protocolOf(direction), sent)).toEqual({ count: 1, last: 'finish' });
    }
  });

  test('a rule on errors ends the walk or goes on with the next key', async () => {
    const rules = ['stop', 'continue'].map(
      (action) => `{status: 422, match: [please ${action}], action: ${action}}`,
    );
    await open({ keys: [simulatorKey, secondKey], rules });
    const direction = directions[0];
    const meets = async (message: string) => {
      it.openai.reset();
      it.openai.next.push({ kind: 'status', status: 422, body: JSON.stringify({ error: { message } }) });
      const { status } = await ask(it.program, direction, 'say fine');
      return [status, it.openai.received.length];
    };
    expect(await meets('please stop')).toEqual([400, 1]);
    expect(await meets('please continue')).toEqual([200, 2]);
  });

  test('payload rules edit what goes to a provider, on either lane', async () => {
    const rules = 'payload:\n  override:\n    - {models: [{name: "*-sim"}], params: {temperature: 0.25}}\n';
    await open({ more: rules });
    for (const direction of directions) {
      const response = await ask(it.program, direction, 'say fine', { body: { temperature: 1 } });
      expect(response.status).toBe(200);
      expect(behind(it, direction).received.at(-1)!.json.temperature).toBe(0.25);
    }
  });
});
