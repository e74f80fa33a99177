import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../../../src/core/error.ts';
import { fold, noUsage, unfold, type ChatEvent } from '../../../src/core/event.ts';
import { readObject, readObjects, type Json } from '../../../src/core/json.ts';
import { chain, run } from '../../../src/core/machine.ts';
import gemini from '../../../src/protocols/gemini/index.ts';
import { frames } from '../../../src/wire/sse.ts';
import { settled } from '../../support/fixtures.ts';
import { expectGrammar } from '../../support/grammar.ts';
import { chunk, chunksOf, encodedReply, eventsOf, replyOf, sealOf, stop } from './words.ts';

const t = (text: string, more: Json = {}): Json => ({ text, ...more });

describe('reading', () => {
  test('several texts in one chunk are all said', () => {
    expect(replyOf(chunk([t('a'), t('b')]), chunk([t('c')], stop)).parts).toEqual([
      { kind: 'text', text: 'abc' },
    ]);
  });

  test('every signature of text that is signed again and again is kept', () => {
    const signed = (text: string, thoughtSignature: string) => t(text, { thoughtSignature });
    expect(
      replyOf(chunk([signed('a', '1'), signed('b', '2'), t('c')]), chunk([signed('', '3')], stop)).parts,
    ).toEqual([
      { kind: 'text', text: 'a', seal: sealOf('1') },
      { kind: 'text', text: 'b', seal: sealOf('2') },
      { kind: 'text', text: 'c', seal: sealOf('3') },
    ]);
  });

  test('thoughts, texts and calls keep their order', () => {
    const reply = replyOf(
      chunk([t('hm', { thought: true }), t('ok'), t('hm!', { thought: true })]),
      chunk(
        [{ functionCall: { name: 'f', args: { a: 1 } } }, { functionCall: { id: 'x', name: 'g' } }],
        stop,
      ),
    );
    expect(reply.parts.map((part) => part.kind)).toEqual([
      'reasoning',
      'text',
      'reasoning',
      'tool-call',
      'tool-call',
    ]);
    expect(reply.parts.slice(3)).toMatchObject([
      { name: 'f', args: '{"a":1}' },
      { callId: 'x', name: 'g', args: '{}' },
    ]);
    expect(reply.reason).toBe('tool');
  });

  test('arguments that come in pieces are put together (capture 08eaf4a5cf4bd902)', () => {
    const piece = (partialArgs: Json[], willContinue = true): Json => ({
      functionCall: { partialArgs, willContinue },
    });
    const reply = replyOf(
      chunk([{ functionCall: { name: 'f', willContinue: true }, thoughtSignature: 's' }]),
      chunk([piece([{ jsonPath: '$.city', stringValue: 'New', willContinue: true }])]),
      chunk([piece([{ jsonPath: '$.city', stringValue: ' York' }])]),
      chunk([
        piece([
          { jsonPath: '$.days[0].n', numberValue: 7 },
          { jsonPath: "$['o k']", boolValue: false },
        ]),
      ]),
      chunk([piece([{ jsonPath: '$.__proto__', nullValue: 'NULL_VALUE' }])]),
      chunk([{ functionCall: {} }]),
      chunk([{ functionCall: { name: 'g', args: { a: 1 } } }], stop),
    );
    expect(reply.parts).toMatchObject([
      {
        name: 'f',
        args: '{"city":"New York","days":[{"n":7}],"o k":false,"__proto__":null}',
        seal: sealOf('s'),
      },
      { name: 'g', args: '{"a":1}' },
    ]);
  });

  test.each([
    ['STOP', 'end'],
    [1, 'end'],
    ['MAX_TOKENS', 'length'],
    [2, 'length'],
    ['SAFETY', 'filter'],
    [3, 'filter'],
    ['RECITATION', 'filter'],
    ['IMAGE_SAFETY', 'filter'],
    ['MALFORMED_FUNCTION_CALL', 'malformed'],
    ['UNEXPECTED_TOOL_CALL', 'malformed'],
    ['OTHER', 'end'],
    ['SOMETHING_NEW', 'end'],
  ])('%p is %p', (finishReason, reason) => {
    expect(replyOf(chunk([t('a')], { finishReason }))).toMatchObject({ reason });
  });

  test('a reason that says none is none', () => {
    for (const finishReason of ['FINISH_REASON_UNSPECIFIED', 0, '', null])
      expect(eventsOf(chunk([t('a')], { finishReason })).at(-1)).toMatchObject({ type: 'error' });
  });

  test('a refused prompt is filtered', () => {
    const events = eventsOf({
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
      usageMetadata: { promptTokenCount: 7 },
    });
    expect(events).toMatchObject([
      { type: 'start' },
      { type: 'finish', reason: 'filter', usage: { input: 7 } },
    ]);
    expect(eventsOf({ promptFeedback: {} }).at(-1)).toMatchObject({ type: 'error' });
  });

  test('later counts win, and what they leave out stays', () => {
    const { usage } = replyOf(
      {
        ...chunk([t('a')]),
        usageMetadata: { promptTokenCount: 9, cachedContentTokenCount: 4, trafficType: 'ON_DEMAND' },
      },
      {
        ...chunk([t('b')], stop),
        usageMetadata: {
          promptTokenCount: 10,
          candidatesTokenCount: 3,
          thoughtsTokenCount: 5,
          toolUsePromptTokenCount: 2,
        },
      },
    );
    expect(usage).toEqual({
      input: 12,
      output: 8,
      cacheRead: 4,
      cacheWrite: 0,
      reasoning: 5,
      extra: { gemini: { trafficType: 'ON_DEMAND' } },
    });
  });

  test('pictures are answers, the drafts of a thinking image model are not', () => {
    const inlineData = { mimeType: 'image/png', data: 'AA==' };
    expect(
      replyOf(
        chunk(
          [
            { inlineData, thought: true },
            { inlineData, thoughtSignature: 's' },
          ],
          stop,
        ),
      ).parts,
    ).toMatchObject([{ kind: 'foreign' }, { kind: 'media', media: 'image', seal: sealOf('s') }]);
  });

  test('an error in the stream, in a whole answer, in an array or in a 200 is told', () => {
    const error = { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' };
    for (const wire of [{ error }, [{ error }]])
      expect(eventsOf(chunk([t('a')]), wire).at(-1)).toMatchObject({
        type: 'error',
        error: { fault: { kind: 'overloaded' } },
      });
    expect(() => gemini.upstream!.decodeReply({ error })).toThrow('overloaded');
  });

  test('bytes as Google sends them, with CRLF', () => {
    const sse = `data: ${JSON.stringify(chunk([t('ä')]))}\r\n\r\ndata: ${JSON.stringify(chunk([t('b')], stop))}\r\n\r\n`;
    const bytes = new TextEncoder().encode(sse);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const events = run(chain(frames(), gemini.upstream!.decodeStream()), [
        bytes.subarray(0, cut),
        bytes.subarray(cut),
      ]);
      expect(fold(events).parts).toEqual([{ kind: 'text', text: 'äb' }]);
    }
  });
});

describe('where answers come from', () => {
  const text = 'Zürich hat 😀 Seen.';
  const grounding = (groundingSupports: Json[], more: Json = {}): Json => ({
    webSearchQueries: ['Zürich Seen'],
    groundingChunks: [{ web: { uri: 'https://a.example', title: 'A' } }],
    groundingSupports,
    ...more,
  });
  const cited = (segment: Json): Json => ({ segment, groundingChunkIndices: [0] });
  const citations = (groundingMetadata: Json, parts: Json[] = [t(text)]) =>
    replyOf(chunk(parts, { ...stop, groundingMetadata })).parts.flatMap((part) =>
      part.kind === 'text' ? (part.citations ?? []) : [],
    );

  test('places are counted in bytes on the wire and in code points here', () => {
    expect(citations(grounding([cited({ startIndex: 8, endIndex: 21, text: 'hat 😀 Seen' })]))).toEqual([
      { url: 'https://a.example', title: 'A', start: 7, end: 17 },
    ]);
    expect(citations(grounding([cited({ endIndex: 7 })]))).toMatchObject([{ start: 0, end: 6 }]);
  });

  test('the words find the place when the numbers do not', () => {
    const parts = [t('Erst dies. ', { thoughtSignature: 's' }), t(text)];
    expect(
      citations(grounding([cited({ partIndex: 1, startIndex: 0, endIndex: 7, text: 'Zürich' })]), parts),
    ).toMatchObject([{ start: 0, end: 6 }]);
    expect(citations(grounding([cited({ startIndex: 0, endIndex: 10, text: 'Erst dies.' })]), parts)).toEqual(
      [{ url: 'https://a.example', title: 'A' }],
    );
  });

  test('what is told in every chunk is told once', () => {
    const groundingMetadata = grounding([]);
    const reply = replyOf(
      chunk([t('a')], { groundingMetadata }),
      chunk([t('b')], { ...stop, groundingMetadata }),
    );
    expect(reply.parts.map(({ kind }) => kind)).toEqual(['text', 'hosted-call', 'hosted-result']);
  });

  test('documents without an address are found in a file search', () => {
    const groundingChunks = [{ retrievedContext: { title: 'notes', text: 'the words' } }];
    const { parts } = replyOf(chunk([t(text)], { ...stop, groundingMetadata: { groundingChunks } }));
    expect(parts[1]).toMatchObject({ kind: 'hosted-call', tool: 'file-search', input: {} });
    expect(parts[2]).toMatchObject({ sources: [{ title: 'notes', quote: 'the words' }] });
  });

  test('recitations are citations', () => {
    const citationMetadata = { citationSources: [{ startIndex: 0, endIndex: 7, uri: 'https://b.example' }] };
    expect(replyOf(chunk([t(text)], { ...stop, citationMetadata })).parts).toMatchObject([
      { citations: [{ url: 'https://b.example', start: 0, end: 6 }] },
    ]);
  });

  test('clients get bytes again', () => {
    const { candidates } = encodedReply({
      parts: [
        { kind: 'text', text: 'é. ' },
        { kind: 'text', text, citations: [{ url: 'https://a.example', title: 'A', start: 7, end: 17 }] },
      ],
    });
    expect(readObjects(candidates)[0]!.groundingMetadata).toEqual({
      groundingChunks: [{ web: { uri: 'https://a.example', title: 'A' } }],
      groundingSupports: [
        { segment: { startIndex: 12, endIndex: 25, text: 'hat 😀 Seen' }, groundingChunkIndices: [0] },
      ],
    });
  });
});

describe('writing', () => {
  const reply = {
    id: 'r',
    model: 'm',
    parts: [
      { kind: 'reasoning', text: 'hm', seal: sealOf('sig', 'anthropic') },
      { kind: 'text', text: 'ok' },
      { kind: 'tool-call', callId: 'c', name: 'f', args: '{"a":1}', seal: sealOf('s') },
    ],
    reason: 'tool',
    usage: { input: 5, output: 9, cacheRead: 2, cacheWrite: 0, reasoning: 4 },
  } as const;

  test('the reason and the usage stand in the last chunk only, and calls go out whole', () => {
    const chunks = chunksOf(unfold(reply));
    const reasons = chunks.map(({ candidates }) => readObjects(candidates)[0]!.finishReason);
    expect(reasons).toEqual([...Array(chunks.length - 1).fill(undefined), 'STOP']);
    expect(chunks.map(({ usageMetadata }) => usageMetadata !== undefined).indexOf(true)).toBe(
      chunks.length - 1,
    );
    expect(
      chunks.flatMap(({ candidates }) => readObjects(readObject(readObjects(candidates)[0]!.content)?.parts)),
    ).toEqual([
      { text: 'hm', thought: true },
      { text: '', thought: true, thoughtSignature: 'gw1.anthropic.sig' },
      { text: 'ok' },
      { functionCall: { id: 'c', name: 'f', args: { a: 1 } }, thoughtSignature: 's' },
      { text: '' },
    ]);
    expect(new Set(chunks.map(({ responseId }) => responseId)).size).toBe(1);
  });

  test('thoughts are no candidates’ tokens, and the total is the sum', () => {
    expect(encodedReply({}).usageMetadata).toEqual({
      promptTokenCount: 5,
      cachedContentTokenCount: 2,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 4,
      totalTokenCount: 14,
    });
  });

  test('no content is without parts, which Google’s SDK takes for a failure', () => {
    const { candidates } = encodedReply({ reason: 'filter' });
    expect(candidates).toEqual([
      { content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'SAFETY', index: 0 },
    ]);
  });

  test('a refusal in words is a filter', () => {
    const refusal = { ...reply, parts: [{ kind: 'refusal', text: 'No.' }], reason: 'end' } as const;
    const wanted = { finishReason: 'SAFETY', content: { role: 'model' } };
    expect(encodedReply(refusal).candidates).toMatchObject([
      { ...wanted, content: { parts: [{ text: 'No.' }] } },
    ]);
    expect(chunksOf(unfold(refusal)).at(-1)!.candidates).toMatchObject([wanted]);
  });

  test('every choice is a candidate', () => {
    const two = {
      ...reply,
      parts: [],
      others: [{ parts: [{ kind: 'text', text: 'b' }], reason: 'length' }],
    } as const;
    expect(encodedReply(two).candidates).toMatchObject([
      { index: 0 },
      { index: 1, finishReason: 'MAX_TOKENS', content: { parts: [{ text: 'b' }] } },
    ]);
    const streamed = chunksOf(unfold(two)).flatMap(({ candidates }) => readObjects(candidates));
    expect(streamed.filter(({ index }) => index === 1)).toMatchObject([
      { content: { parts: [{ text: 'b' }] } },
      { finishReason: 'MAX_TOKENS' },
    ]);
  });

  test('what this wire has no word for is reported', () => {
    const dropped: string[] = [];
    encodedReply(
      {
        parts: [
          { kind: 'foreign', foreign: { protocol: 'anthropic-messages', value: {} } },
          { kind: 'hosted-call', tool: 'mcp', callId: 'x', input: {} },
          { kind: 'hosted-call', tool: 'web-search', callId: 'y', input: { query: 'q' } },
        ],
      },
      (what) => dropped.push(what),
    );
    expect(dropped).toEqual(['foreign anthropic-messages', 'hosted-call mcp']);
  });

  test('an end without a finish is an error, and nothing comes after either', () => {
    const start: ChatEvent = { type: 'start', id: '', model: '' };
    const finish: ChatEvent = { type: 'finish', reason: 'end', usage: noUsage };
    expect(chunksOf([start])).toMatchObject([{ error: { code: 502, status: 'UNAVAILABLE' } }]);
    expect(chunksOf([start, finish, finish])).toHaveLength(1);
  });
});

describe('errors', () => {
  const { decodeError } = gemini.upstream!;
  const told = (status: number, error: Json) => decodeError(status, new Headers(), JSON.stringify({ error }));

  test.each([
    [
      400,
      { message: 'API key not valid.', details: [{ reason: 'API_KEY_INVALID' }] },
      'upstream-unauthorized',
    ],
    [403, { message: "Method doesn't allow unregistered callers" }, 'upstream-unauthorized'],
    [403, { status: 'PERMISSION_DENIED', message: 'Denied.' }, 'upstream-forbidden'],
    [
      400,
      { status: 'FAILED_PRECONDITION', message: 'User location is not supported for the API use.' },
      'upstream-forbidden',
    ],
    [
      400,
      { message: 'The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).' },
      'too-large',
    ],
    [
      404,
      { status: 'NOT_FOUND', message: 'models/gemini-9 is not found for API version v1beta' },
      'not-found',
    ],
    [503, { status: 'UNAVAILABLE', message: 'The model is overloaded.' }, 'overloaded'],
    [
      429,
      { status: 'RESOURCE_EXHAUSTED', message: 'Resource has been exhausted (e.g. check quota).' },
      'rate-limited',
    ],
    [400, { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Quota.' }, 'rate-limited'],
    [
      429,
      {
        message: 'q',
        details: [{ violations: [{ quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier' }] }],
      },
      'quota-exhausted',
    ],
  ] as const)('%i %j is %s', (status, error, kind) => {
    expect(told(status, error as Json).fault.kind).toBe(kind);
  });

  test.each([
    [{ details: [{ retryDelay: '0.84s' }] }, 840],
    [{ details: [{ metadata: { quotaResetDelay: '1h2m3.5s' } }] }, 3_723_500],
    [{ details: [{ metadata: { quotaResetDelay: '373ms' } }] }, 373],
    [{ message: 'Please retry in 34.07s.' }, 34_070],
    [{ message: 'Your quota will reset after 12s.' }, 12_000],
    [{ message: 'Slow down.' }, undefined],
  ])('%j waits %p ms', (error, wait) => {
    expect(told(429, error as Json).retryAfterMs).toBe(wait as never);
  });

  test('names the field that Google names', () => {
    const details = [{ fieldViolations: [{ field: 'tools[0]', description: 'Bad.' }] }];
    expect(told(400, { message: 'Bad.', status: 'INVALID_ARGUMENT', details }).fault).toMatchObject({
      kind: 'invalid-request',
      field: 'tools[0]',
    });
  });

  test('an array around the error is no obstacle', () => {
    const text = JSON.stringify([
      { error: { code: 400, message: 'm', details: [{ reason: 'API_KEY_INVALID' }] } },
    ]);
    expect(decodeError(400, new Headers(), text).fault.kind).toBe('upstream-unauthorized');
  });

  test('clients are told in Google’s shape, with the wait and the request id', () => {
    const error = new GatewayError({ kind: 'rate-limited' }, 'Too fast.', { retryAfterMs: 6_500 });
    expect(gemini.client!.encodeError(error, 'req-1')).toEqual({
      error: {
        code: 429,
        message: 'Too fast.',
        status: 'RESOURCE_EXHAUSTED',
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
            reason: 'RATE_LIMIT_EXCEEDED',
            domain: 'cliproxyapi++',
          },
          { '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId: 'req-1' },
          { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' },
        ],
      },
    });
  });
});

describe('a JSON array', () => {
  const array = (events: readonly ChatEvent[], cut = events.length): unknown => {
    const framing = chain(gemini.client!.encodeStream({ ...echo }), gemini.client!.jsonArray!());
    return JSON.parse(run(framing, events.slice(0, cut)).join(''));
  };
  const echo = { request: undefined as never, model: 'm', createdAt: 0, id: 'i', drop: () => {} };
  const events = [
    ...unfold({ id: '', model: '', parts: [{ kind: 'text', text: 'a' }], reason: 'end', usage: noUsage }),
  ];

  test('holds the chunks', () => {
    expect(array(events)).toMatchObject([
      { candidates: [{ content: { parts: [{ text: 'a' }] } }] },
      { candidates: [{ finishReason: 'STOP' }] },
    ]);
  });

  test('is one wherever the stream stops', () => {
    for (let cut = 0; cut < events.length; cut++)
      expect((array(events, cut) as Json[]).at(-1)).toHaveProperty('error');
    expect(run(gemini.client!.jsonArray!(), []).join('')).toBe('[]');
  });
});

// ---------------------------------------------------------------------------------------------------------- captures

const captures = join(import.meta.dir, '../../../../shared/fixtures/gemini');
const here = existsSync(captures);

describe(here ? 'recorded exchanges' : 'recorded exchanges (skipped: ../shared/fixtures is absent)', () => {
  const files = here
    ? ['json', 'stream'].flatMap((kind) =>
        readdirSync(join(captures, kind)).map((file) => join(captures, kind, file)),
      )
    : [];

  test.each(files.map((file) => [file.split('/').at(-1)!, file] as const))('%s', (_, file) => {
    const { request, response } = JSON.parse(readFileSync(file, 'utf8')) as {
      request: { url: string; body?: unknown };
      response: { status: number; body: string };
    };
    const asked = parsed(request.body);
    if (asked) {
      const model = /models\/([^:]+):/.exec(request.url)?.[1] ?? 'gemini-3';
      const chat = gemini.client!.decodeRequest(asked, { model, stream: false });
      const dropped: string[] = [];
      const body = gemini.upstream!.encodeRequest(chat, { model, drop: (what) => dropped.push(what) });
      expect(dropped).toEqual([]);
      const { tools, sampling, reasoning, system } = gemini.client!.decodeRequest(body, {
        model,
        stream: false,
      });
      expect(tools.toSorted(byName)).toEqual(chat.tools.toSorted(byName));
      expect({ sampling, reasoning, system }).toEqual({
        sampling: chat.sampling,
        reasoning: chat.reasoning,
        system: chat.system,
      });
    }
    if (response.status >= 400) {
      const error = gemini.upstream!.decodeError(response.status, new Headers(), response.body);
      return expect(error.message.length).toBeGreaterThan(0);
    }
    const events = eventsOf(...chunksIn(response.body));
    expectGrammar(events);
    expect(events.at(-1)?.type).toBe('finish');
    const again = eventsOf(...chunksOf(events));
    expect(content(again)).toEqual(content(events));
  });
});

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

const parsed = (body: unknown): Json | undefined =>
  typeof body === 'string' ? (body === '' ? undefined : (JSON.parse(body) as Json)) : readObject(body);

/** What an answer says and why it stopped; what only Gemini knows of it aside. */
const content = (events: readonly ChatEvent[]): unknown => {
  const { parts, reason, usage } = fold(events);
  return JSON.parse(settled(JSON.stringify({ parts, reason, usage })));
};

/** The chunks of an answer: a whole one, a JSON array, or server-sent events. */
function chunksIn(body: string): readonly unknown[] {
  if (!body.trimStart().startsWith('data:')) return [JSON.parse(body)].flat();
  return run(frames(), [new TextEncoder().encode(body)]).map(({ data }) => JSON.parse(data) as unknown);
}
