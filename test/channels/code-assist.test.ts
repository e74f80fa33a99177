import { describe, expect, test } from 'bun:test';
import { closedWindows, judgeCodeAssist } from '../../src/channels/code-assist-judge.ts';
import { mendCalls, unwrap, wrap } from '../../src/channels/code-assist-wrapper.ts';
import type { GatewayError } from '../../src/core/error.ts';
import { topLevelText } from '../../src/core/json.ts';
import gemini from '../../src/protocols/gemini/index.ts';
import { googleError, limitDetails } from '../support/code-assist-upstream.ts';

/** The wrapping of Code Assist, and what it says of limits. */

const stream = (body: Bun.BodyInit) =>
  new Response(body, { headers: { 'content-type': 'text/event-stream' } });

function inPieces(text: string, size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const all = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= all.length) return controller.close();
      controller.enqueue(all.slice(at, (at += size)));
    },
  });
}

describe('wrapping', () => {
  test('leaves the request as its client wrote it', () => {
    const request = '{ "contents" : [ {"parts":[{"text":"\\u00e9 }"}]} ] }';
    expect(wrap({ model: 'm', project: 'p' }, request)).toBe(
      `{"model":"m","project":"p","request":${request}}`,
    );
    expect(wrap({}, request)).toBe(`{"request":${request}}`);
  });

  test.each([
    ['{"response": {"a": "}\\"]"}, "traceId": "t"}', '{"a": "}\\"]"}'],
    ['{"traceId":"t","response":{"response":{}}}', '{"response":{}}'],
    ['{"x":{"response":1},"response":[1,2]}', '[1,2]'],
    ['{"x":1}', undefined],
  ])('a value is found by its key wherever it stands: %s', (text, value) => {
    expect(topLevelText(text, 'response')).toBe(value!);
  });
});

describe('unwrapping', () => {
  test('a whole answer is what stands inside, byte for byte', async () => {
    const inner = '{"candidates": [ {"content": {"parts": [{"text": "é"}]}} ]}';
    const answer = Response.json({});
    const whole = new Response(`{"response":${inner},"traceId":"1"}`, { headers: answer.headers });
    expect(await (await unwrap(whole)).text()).toBe(inner);
  });

  test('counts and errors have no wrapping', async () => {
    const count = Response.json({ totalTokens: 3 });
    expect(await (await unwrap(count)).json()).toEqual({ totalTokens: 3 });
    const refusal = Response.json({ error: { code: 400 } }, { status: 400 });
    expect(await unwrap(refusal)).toBe(refusal);
  });

  const events =
    'data: {"response": {"n": 1, "t": "Zürich 😀"}, "traceId": "a"}\r\n\r\n: beat\r\n\r\n' +
    'data: {"response":\r\ndata: {"n": 2}}\r\n\r\n' +
    'data: {"error": {"code": 503}}\r\n\r\n';
  const unwrapped =
    'data: {"n": 1, "t": "Zürich 😀"}\n\ndata: {"n": 2}\n\ndata: {"error": {"code": 503}}\n\n';

  test.each([1, 2, 3, 7, 64, 10_000])('a stream cut into pieces of %i bytes says the same', async (size) => {
    expect(await (await unwrap(stream(inPieces(events, size)))).text()).toBe(unwrapped);
  });

  test('a stream is read no faster than it is taken', async () => {
    let pulls = 0;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull(controller) {
          controller.enqueue(new TextEncoder().encode(`data: {"response":{"n":${++pulls}}}\n\n`));
        },
      },
      { highWaterMark: 0 },
    );
    const reader = (await unwrap(stream(body))).body!.getReader();
    await reader.read();
    await reader.read();
    expect(pulls).toBe(2);
    await reader.cancel();
  });

  test('calls can be mended inside a stream', async () => {
    const part = { functionCall: { id: '1', name: 'look', args: { city: 'Bern', reason: 'asked' } } };
    const response = { candidates: [{ content: { role: 'model', parts: [{ text: 'x' }, part] } }] };
    const body = `data: ${JSON.stringify({ response })}\n\n`;
    const mended = await unwrap(stream(body), (said) =>
      mendCalls(said, (name, { city }) => ({ name, city })),
    );
    expect(JSON.parse((await mended.text()).slice(6))).toEqual({
      candidates: [
        {
          content: {
            role: 'model',
            parts: [
              { text: 'x' },
              { functionCall: { id: '1', name: 'look', args: { name: 'look', city: 'Bern' } } },
            ],
          },
        },
      ],
    });
    const usage = { usageMetadata: {} };
    expect(mendCalls(usage, () => ({}))).toBe(usage);
  });
});

describe('limits', () => {
  const judged = (status: number, body: string): GatewayError =>
    judgeCodeAssist(gemini.upstream!.decodeError(status, new Headers(), body));
  const limit = (reason: string, delay: string) =>
    judged(429, googleError(429, 'No.', limitDetails(reason, delay)));

  test('a used-up quota closes the model until it comes back', () => {
    expect(limit('QUOTA_EXHAUSTED', '7200s')).toMatchObject({
      fault: { kind: 'quota-exhausted' },
      scope: 'model',
      retryAfterMs: 7_200_000,
    });
  });

  test('a rate that is too high throttles, and is a used-up quota from five minutes on', () => {
    expect(limit('RATE_LIMIT_EXCEEDED', '2.5s')).toMatchObject({
      fault: { kind: 'rate-limited' },
      scope: 'model',
      retryAfterMs: 2_500,
    });
    expect(limit('RATE_LIMIT_EXCEEDED', '301s').fault.kind).toBe('quota-exhausted');
  });

  test('lack of capacity is nobody’s quota, and credits are those of the whole account', () => {
    expect(limit('MODEL_CAPACITY_EXHAUSTED', '1s')).toMatchObject({
      fault: { kind: 'overloaded' },
      scope: 'model',
    });
    expect(limit('INSUFFICIENT_G1_CREDITS_BALANCE', '1s')).toMatchObject({
      fault: { kind: 'quota-exhausted' },
      scope: 'credential',
    });
    const busy = judged(503, googleError(503, 'No capacity available for model m on the server'));
    expect(busy.scope).toBe('model');
  });

  test('a refusal tells which window closed, and when it opens again', () => {
    const now = Date.UTC(2026, 0, 1);
    const metadata = { model: 'gemini-3-pro', quotaResetTimeStamp: '2026-01-01T05:00:00Z' };
    const told = googleError(429, 'No.', limitDetails('QUOTA_EXHAUSTED', '3600s', metadata));
    expect(closedWindows(told, now)).toEqual([
      {
        name: 'requests',
        model: 'gemini-3-pro',
        remaining: 0,
        resetsAt: now + 5 * 3_600_000,
        source: 'ErrorInfo',
        seenAt: now,
      },
    ]);
    const brief = limitDetails('RATE_LIMIT_EXCEEDED', '2s', { model: 'm' });
    expect(closedWindows(googleError(429, 'No.', brief), now)).toMatchObject([
      { model: 'm', remaining: 0, resetsAt: now + 2_000 },
    ]);
    const nameless = googleError(429, 'No.', limitDetails('QUOTA_EXHAUSTED', '2s'));
    const busy = googleError(
      503,
      'No capacity',
      limitDetails('MODEL_CAPACITY_EXHAUSTED', '1s', { model: 'm' }),
    );
    for (const other of ['', '{}', nameless, busy]) expect(closedWindows(other, now)).toEqual([]);
  });

  test('a limit without details throttles the model', () => {
    const plain = judged(429, googleError(429, 'Resource has been exhausted (e.g. check quota).'));
    expect(plain).toMatchObject({ fault: { kind: 'rate-limited' }, scope: 'model' });
  });

  test('an entity that is not found is a model that the account has not', () => {
    expect(judged(404, googleError(404, 'Requested entity was not found.'))).toMatchObject({
      fault: { kind: 'not-found', what: 'model' },
      scope: 'model',
    });
  });

  test('a service that is off names what to switch on, and a verification is told apart', () => {
    const off = judged(403, googleError(403, 'Off.', limitDetails('SERVICE_DISABLED', '1s')));
    expect(off.advice).toContain('cloudaicompanion.googleapis.com');
    const verify = judged(403, googleError(403, 'Verify.', limitDetails('VALIDATION_REQUIRED', '1s')));
    expect(verify.fault).toMatchObject({ kind: 'upstream-forbidden', reason: 'verification_required' });
  });

  test.each([
    ['a licence', 'You do not have a valid license of this product.', 'not_entitled', 'credential'],
    [
      'a permission',
      "Permission 'cloudaicompanion.companions.generateChat' denied.",
      'not_entitled',
      'credential',
    ],
    ['a country', 'User location is not supported for the API use.', 'region', 'transport'],
  ])('%s that is missing is told apart', (_, message, reason, scope) => {
    expect(judged(403, googleError(403, message))).toMatchObject({
      fault: { kind: 'upstream-forbidden', reason },
      scope,
    });
  });

  test('other errors stay as they are', () => {
    expect(judged(400, googleError(400, 'Request contains an invalid argument.'))).toMatchObject({
      fault: { kind: 'invalid-request' },
      scope: 'request',
    });
  });
});
