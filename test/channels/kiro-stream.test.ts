import { describe, expect, test } from 'bun:test';
import { messageCodec, messageFrames } from '../../src/channels/kiro/frames.ts';
import { decodeStream } from '../../src/channels/kiro/decode-stream.ts';
import { decodeError, decodeException } from '../../src/channels/kiro/errors.ts';
import type { ChatEvent } from '../../src/core/event.ts';
import { fold } from '../../src/core/event.ts';
import { chain, run } from '../../src/core/machine.ts';
import { frames, render } from '../../src/wire/sse.ts';
import { expectGrammar, terminalOf } from '../support/grammar.ts';
import { awsError, awsEvent, awsException, awsMessage } from '../support/kiro-frames.ts';
import { messagesOf, type KiroManner } from '../support/kiro-upstream.ts';
import { random } from '../support/random.ts';

const codec = await messageCodec();

/** What the service's binary stream is read as, however it comes. */

const events = (...chunks: readonly Uint8Array[]): ChatEvent[] =>
  run(chain(messageFrames(codec), decodeStream()), chunks);

const told: KiroManner = { counts: 'told', thoughts: 'events' };

const turn = {
  thinking: 'Zuerst überlegen. 🤔',
  words: ['Grüße ', 'aus ', 'Zürich ', '😀'],
  calls: [
    { name: 'look_up', args: '{"city":"Zürich","days":[1,2]}' },
    { name: 'save', args: '{"note":"\\"quoted\\""}' },
  ],
  reason: 'tool' as const,
};

const answers: Readonly<Record<string, Uint8Array>> = {
  'thoughts, text and two calls': Buffer.concat(messagesOf(turn, told)),
  'thoughts between tags': Buffer.concat(messagesOf(turn, { counts: 'share', thoughts: 'tags' })),
  'text without a mark at its end': Buffer.concat(
    messagesOf({ words: turn.words, calls: [], reason: 'end' }, { counts: 'none', thoughts: 'events' }),
  ),
};

/** Errors compare by what they say. */
const plainly = (all: readonly ChatEvent[]) =>
  JSON.parse(
    JSON.stringify(
      all.map((event) => (event.type === 'error' ? [event.error.fault, event.error.message] : event)),
    ),
  );

describe.each(Object.entries(answers))('%s', (_, bytes) => {
  test('are the same events however the bytes are cut', () => {
    const whole = plainly(events(bytes));
    const dice = random(bytes.length);
    for (let round = 0; round < 100; round++) {
      const cut = dice.below(bytes.length + 1);
      expect(plainly(events(bytes.subarray(0, cut), bytes.subarray(cut)))).toEqual(whole);
    }
    expect(plainly(events(...Array.from(bytes, (byte) => Uint8Array.of(byte))))).toEqual(whole);
    expectGrammar(events(bytes));
  });

  test('end in one error when they are cut inside a message', () => {
    const ends = boundaries(bytes);
    for (let cut = 0; cut < bytes.length; cut++) {
      const some = events(bytes.subarray(0, cut));
      expectGrammar(some, `cut at byte ${cut}`);
      if (terminalOf(some).type === 'error') continue;
      // A clean end of the body between two messages: nothing on the wire tells it from the end of the answer.
      expect(ends).toContain(cut);
    }
  });

  test('end in one error of bad upstream data when any byte is damaged', () => {
    for (let at = 0; at < bytes.length; at += 3) {
      const spoiled = Uint8Array.from(bytes);
      spoiled[at]! ^= 0x41;
      const some = events(spoiled);
      expectGrammar(some, `damaged at byte ${at}`);
      const last = terminalOf(some);
      expect(last.type).toBe('error');
      // A length that is damaged may also promise bytes that never come.
      if (last.type === 'error') expect(['bad-upstream-data', 'transport']).toContain(last.error.fault.kind);
    }
  });

  test('end in one error when the frames of the lane are cut at any byte', () => {
    const spelled = Buffer.from(run(messageFrames(codec), [bytes]).map(render).join(''));
    const whole = run(chain(frames(), decodeStream()), [spelled]);
    expect(plainly(whole)).toEqual(plainly(events(bytes)));
    const closing = spelled.indexOf('event: gateway-end');
    for (let cut = 0; cut < closing; cut += 2) {
      const some = run(chain(frames(), decodeStream()), [spelled.subarray(0, cut)]);
      expectGrammar(some, `cut at byte ${cut}`);
      expect(terminalOf(some).type).toBe('error');
    }
  });
});

/** Where messages end. */
function boundaries(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at < bytes.length; found.push(at)) at += Buffer.from(bytes).readUInt32BE(at);
  return found;
}

describe('what a message says', () => {
  test('text, thoughts with their seal, and calls become one reply', () => {
    const reply = fold(events(answers['thoughts, text and two calls']!));
    expect(reply.parts).toMatchObject([
      { kind: 'reasoning', text: turn.thinking, seal: { issuer: 'kiro', value: 'EqQBsealed' } },
      { kind: 'text', text: turn.words.join('') },
      { kind: 'tool-call', ...turn.calls[0] },
      { kind: 'tool-call', ...turn.calls[1] },
    ]);
    expect(reply.reason).toBe('tool');
    expect(reply.usage).toEqual({ input: 11, output: 7, cacheRead: 3, cacheWrite: 0, reasoning: 0 });
  });

  test('thinking tags at the very beginning are thoughts, anywhere else they are text', () => {
    const reply = fold(events(answers['thoughts between tags']!));
    expect(reply.parts.slice(0, 2)).toEqual([
      { kind: 'reasoning', text: turn.thinking },
      { kind: 'text', text: turn.words.join('') },
    ]);
    const quoted = fold(
      events(awsEvent('assistantResponseEvent', { content: 'Write <thinking>so</thinking>, please.' })),
    );
    expect(quoted.parts).toEqual([{ kind: 'text', text: 'Write <thinking>so</thinking>, please.' }]);
  });

  test('without counts the usage is estimated from the share of the context, and says so', () => {
    const { usage } = fold(events(answers['thoughts between tags']!));
    expect(usage).toMatchObject({ input: 3000, estimated: true });
    expect(usage.output).toBeGreaterThan(10);
  });

  test('a payload under its own name, a whole input and a whole list of calls are read as well', () => {
    const reply = fold(
      events(
        awsEvent('assistantResponseEvent', { assistantResponseEvent: { content: 'Hi' } }),
        awsEvent('toolUseEvent', { toolUseId: 'a', name: 'f', input: { x: 1 }, stop: true }),
        awsEvent('assistantResponseEvent', {
          content: '',
          toolUses: [{ toolUseId: 'b', name: 'g', input: {} }],
        }),
        awsEvent('followupPromptEvent', { followupPrompt: { content: 'And?' } }),
      ),
    );
    expect(reply.parts).toEqual([
      { kind: 'text', text: 'Hi' },
      { kind: 'tool-call', callId: 'a', name: 'f', args: '{"x":1}' },
      { kind: 'tool-call', callId: 'b', name: 'g', args: '{}' },
    ]);
  });

  test('a call that looks like text stays text', () => {
    const content = '[Called look_up with args: {"city":"Bern"}]';
    const reply = fold(events(awsEvent('assistantResponseEvent', { content })));
    expect(reply.parts).toEqual([{ kind: 'text', text: content }]);
    expect(reply.reason).toBe('end');
  });

  test('a new call ends the one before it, and broken input is told as malformed', () => {
    const reply = fold(
      events(
        awsEvent('toolUseEvent', { toolUseId: 'a', name: 'f', input: '{"x":' }),
        awsEvent('toolUseEvent', { toolUseId: 'b', name: 'g', input: '{}', stop: true }),
      ),
    );
    expect(reply.reason).toBe('malformed');
    expect(reply.parts).toHaveLength(2);
  });

  test('a call whose last fragment never came is a cut', () => {
    const last = terminalOf(
      events(awsEvent('toolUseEvent', { toolUseId: 'a', name: 'f', input: '{"x":1}' })),
    );
    expect(last).toMatchObject({ type: 'error', error: { fault: { kind: 'transport', phase: 'cut' } } });
  });

  test('an exception, an error and a typed message inside a 200 are what they are named', () => {
    const kindOf = (bytes: Uint8Array) => {
      const last = terminalOf(events(awsEvent('assistantResponseEvent', { content: 'Hi' }), bytes));
      return last.type === 'error' ? last.error.fault.kind : last.type;
    };
    expect(kindOf(awsException('ThrottlingException', { message: 'Slow down.' }))).toBe('rate-limited');
    expect(kindOf(awsException('internalServerException', { message: 'Oops.' }))).toBe('upstream-failed');
    expect(kindOf(awsError('ServiceUnavailableException', 'Later.'))).toBe('overloaded');
    expect(
      kindOf(awsEvent('error', { _type: 'ValidationException', message: 'Improperly formed request.' })),
    ).toBe('invalid-request');
  });

  test('an answer that says nothing, a message of 10 MB and more, and one that is no JSON are bad upstream data', () => {
    const empty = terminalOf(events(awsEvent('meteringEvent', { usage: 1 })));
    const huge = Buffer.alloc(16);
    huge.writeUInt32BE(10 * 1024 * 1024 + 1);
    for (const last of [empty, terminalOf(events(huge)), terminalOf(events(notJson))])
      expect(last).toMatchObject({ type: 'error', error: { fault: { kind: 'bad-upstream-data' } } });
  });

  const notJson = awsMessage({ ':event-type': 'assistantResponseEvent', ':message-type': 'event' }, '<html>');
});

describe('refusals', () => {
  const read = (status: number, body: object, type = 'ValidationException') =>
    decodeError(
      status,
      new Headers({ 'x-amzn-errortype': `${type}:http://internal.amazon.com/` }),
      JSON.stringify(body),
    );

  test.each([
    [401, { message: 'Unauthorized' }, 'upstream-unauthorized'],
    [403, { message: 'The bearer token included in the request is invalid.' }, 'upstream-unauthorized'],
    [403, { message: 'The security token included in the request is expired' }, 'upstream-unauthorized'],
    [402, { message: 'You have reached the limit.', reason: 'MONTHLY_REQUEST_COUNT' }, 'quota-exhausted'],
    [429, { message: 'Too many requests' }, 'rate-limited'],
    [400, { message: 'Improperly formed request.' }, 'invalid-request'],
    [400, { message: 'Input is too long.', reason: 'CONTENT_LENGTH_EXCEEDS_THRESHOLD' }, 'too-large'],
    [500, { message: 'Encountered an unexpected error.' }, 'upstream-failed'],
  ])('%i %j is %s', (status, body, kind) => {
    expect(read(status, body).fault.kind).toBe(kind as ReturnType<typeof read>['fault']['kind']);
  });

  test('a model that the account is not offered is 404 model_not_found, and rests that model only', () => {
    const error = read(400, { message: 'Invalid model. Please select another.', reason: 'INVALID_MODEL_ID' });
    expect([error.status, error.code, error.scope]).toEqual([404, 'model_not_found', 'model']);
  });

  test('a suspended account rests for long, and a model without capacity rests by itself', () => {
    const suspended = read(403, {
      message: 'Your User ID temporarily is suspended.',
      reason: 'TEMPORARILY_SUSPENDED',
    });
    expect(suspended.fault).toMatchObject({ kind: 'upstream-forbidden', reason: 'suspended' });
    expect(suspended.retryAfterMs).toBe(3_600_000);
    const busy = read(
      429,
      { message: 'High traffic.', reason: 'INSUFFICIENT_MODEL_CAPACITY' },
      'ThrottlingException',
    );
    expect([busy.fault.kind, busy.scope]).toEqual(['rate-limited', 'model']);
  });

  test('a word of another provider is read as far as it goes', () => {
    expect(decodeError(502, new Headers(), '<html>Bad Gateway</html>').fault.kind).toBe('upstream-failed');
    expect(decodeException({}).fault.kind).toBe('upstream-failed');
  });
});
