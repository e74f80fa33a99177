import { describe, expect, test } from 'bun:test';
import { unfold } from '../../../src/core/event.ts';
import type { Json } from '../../../src/core/json.ts';
import type { ChatRequest } from '../../../src/core/request.ts';
import { echoOf } from '../../support/wires.ts';
import { client, refusal, reply, sent, text } from './support.ts';

describe('legacy completions', () => {
  const legacyRoute = client.routes.find(({ codec: own }) => own)!;
  const codec = legacyRoute.codec!;
  const complete = (fields: Json): ChatRequest => {
    const body = { model: 'm', prompt: 'Once', ...fields };
    return codec.decodeRequest(body, legacyRoute.hint({}, body, new URLSearchParams()));
  };

  test('a prompt is what the user says', () => {
    const request = complete({
      prompt: ['Once'],
      max_tokens: 5,
      stop: 'x',
      logprobs: 2,
      logit_bias: { '1': 2 },
    });
    expect(request).toMatchObject({
      messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Once' }] }],
      sampling: { maxTokens: 5, stop: ['x'], logprobs: { top: 2 } },
      extra: { 'openai-chat': { logit_bias: { '1': 2 } } },
    });
  });

  test.each([
    [{ prompt: undefined }, 'prompt', 'must be'],
    [{ prompt: '' }, 'prompt', 'empty'],
    [{ prompt: ['a', 'b'] }, 'prompt', 'several'],
    [{ prompt: [1, 2, 3] }, 'prompt', 'token ids'],
    [{ prompt: [[1, 2]] }, 'prompt', 'token ids'],
    [{ suffix: 'end' }, 'suffix', 'not possible'],
    [{ best_of: 3, n: 1 }, 'best_of', 'not possible'],
  ])('%j is refused by the name of %s', (fields, field, why) => {
    const error = refusal(() => complete(fields as unknown as Json));
    expect(error.fault as unknown).toEqual({ kind: 'invalid-request', field });
    expect(error.message).toContain(why);
  });

  test('answers with text_completion, the prompt first where it is asked for', () => {
    const logprobs = [{ token: ' upon', logprob: -0.5, top_logprobs: [{ token: ' upon', logprob: -0.5 }] }];
    const answer = reply([{ kind: 'text', text: ' upon', logprobs }], { reason: 'length' });
    expect(codec.encodeReply(answer, echoOf(complete({ echo: true }), 'shown'))).toMatchObject({
      object: 'text_completion',
      model: 'shown',
      choices: [
        {
          index: 0,
          text: 'Once upon',
          finish_reason: 'length',
          logprobs: {
            tokens: [' upon'],
            token_logprobs: [-0.5],
            top_logprobs: [{ ' upon': -0.5 }],
            text_offset: [4],
          },
        },
      ],
    });
  });

  test('streams text only, and ends with [DONE]', () => {
    const dropped: string[] = [];
    const answer = reply([{ kind: 'reasoning', text: 'hm' }, text(' upon')], {
      others: [{ parts: [text(' more')], reason: 'length' }],
    });
    const request = complete({ stream: true, echo: true, stream_options: { include_usage: true } });
    const frames = sent(unfold(answer), request, codec, dropped);
    const said = frames
      .flatMap((frame) => frame.choices ?? [])
      .map(({ index, text: words, finish_reason }) => [index, words, finish_reason]);
    expect(said).toEqual([
      [0, 'Once', null],
      [0, ' upon', null],
      [1, 'Once', null],
      [1, ' more', null],
      [0, '', 'stop'],
      [1, '', 'length'],
    ]);
    expect(frames.at(-2).usage).toBeDefined();
    expect(frames.at(-1)).toBe('[DONE]');
    expect(dropped).toEqual(['content: reasoning']);
  });

  test('ends in one error when the stream breaks off', () => {
    const frames = sent([{ type: 'start', id: 'x', model: 'm' }], complete({}), codec);
    expect(frames).toHaveLength(1);
    expect(frames[0].error.code).toBe('stream_interrupted');
  });
});
