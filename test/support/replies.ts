import type { FinishReason, Reply, Usage } from '../../src/core/event.ts';
import type { Json } from '../../src/core/json.ts';
import type { Citation, Part, Seal } from '../../src/core/request.ts';
import type { Random } from './random.ts';

const reasons: readonly FinishReason[] = ['end', 'length', 'tool', 'stop', 'filter', 'pause', 'malformed'];

/** Any reply the hall can hold, with every kind of part and every optional field now and then. */
export function anyReply(dice: Random): Reply {
  const others = dice.list(2, () => ({
    parts: dice.list(3, () => anyPart(dice)),
    reason: dice.pick(reasons),
  }));
  return {
    id: dice.text(2),
    model: dice.text(2),
    parts: dice.list(5, () => anyPart(dice)),
    reason: dice.pick(reasons),
    ...(dice.oneIn(3) ? { stop: dice.text() } : {}),
    usage: anyUsage(dice),
    ...(dice.oneIn(3) && others.length > 0 ? { others } : {}),
  };
}

function anyUsage(dice: Random): Usage {
  return {
    input: dice.below(1000),
    output: dice.below(1000),
    cacheRead: dice.below(9),
    cacheWrite: dice.below(9),
    reasoning: dice.below(9),
    ...(dice.oneIn(4) ? { estimated: true } : {}),
    ...(dice.oneIn(4) ? { extra: { 'openai-chat': { audio_tokens: dice.below(9) } } } : {}),
  };
}

const anySeal = (dice: Random): { seal?: Seal } =>
  dice.oneIn(3)
    ? {
        seal: {
          issuer: 'anthropic',
          value: `s${dice.below(99)}`,
          ...(dice.oneIn(2) ? { redacted: true } : {}),
        },
      }
    : {};

const anyCitation = (dice: Random): Citation => ({
  url: `https://example.com/${dice.below(9)}`,
  title: dice.text(),
});

const anyLogprobs = (dice: Random): Json[] => dice.list(3, () => ({ token: dice.text(), logprob: -1 }));

function anyPart(dice: Random): Part {
  const text = dice.text(8);
  const callId = `call_${dice.below(100)}`;
  switch (dice.below(7)) {
    case 0:
      return { kind: 'refusal', text };
    case 1:
      return { kind: 'reasoning', text, ...anySeal(dice) };
    case 2:
      return {
        kind: 'tool-call',
        callId,
        name: `n${dice.below(9)}`,
        args: text,
        ...(dice.oneIn(4) ? { custom: true } : {}),
        ...(dice.oneIn(4) ? { namespace: 'ns' } : {}),
        ...anySeal(dice),
      };
    case 3:
      return { kind: 'media', media: 'image', mime: 'image/png', source: { kind: 'data', data: 'AAAA' } };
    case 4:
      return { kind: 'hosted-call', tool: 'web-search', callId, input: { query: text } };
    default: {
      const citations = dice.list(2, () => anyCitation(dice));
      const logprobs = anyLogprobs(dice);
      return {
        kind: 'text',
        text,
        ...(citations.length > 0 ? { citations } : {}),
        ...(logprobs.length > 0 ? { logprobs } : {}),
        ...anySeal(dice),
      };
    }
  }
}
