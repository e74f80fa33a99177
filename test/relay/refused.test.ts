import { describe, expect, test } from 'bun:test';
import type { ChatRequest, Part } from '../../src/core/request.ts';
import anthropic from '../../src/protocols/anthropic-messages/index.ts';
import gemini from '../../src/protocols/gemini/index.ts';
import openaiChat from '../../src/protocols/openai-chat/index.ts';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';
import type { Protocol } from '../../src/protocols/protocol.ts';
import { refusesThoughts, withoutThoughts } from '../../src/relay/thoughts/refused.ts';

const refused = ({ upstream }: Protocol, error: object, status = 400) =>
  refusesThoughts(upstream!.decodeError(status, new Headers(), JSON.stringify({ error })));
const invalid = (message: string) => ({ type: 'invalid_request_error', message });
const google = (message: string) => ({ code: 400, status: 'INVALID_ARGUMENT', message });

describe('a refusal of thoughts', () => {
  test.each([
    'messages.1.content.0: Invalid `signature` in `thinking` block',
    'messages.1.content.0: Invalid signature in thinking block',
    'messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation.',
    'messages.1.content.0.thinking.signature: Field required',
    'messages.3.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.',
    'messages.3.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.',
  ])('is seen in the words of Anthropic: %s', (message) => {
    expect(refused(anthropic, invalid(message))).toBe(true);
  });

  test.each([
    'Corrupted thought signature.',
    'Invalid thought signature.',
    'Unable to submit request because Thought signature is not valid..',
    'Function call is missing a thought_signature in functionCall parts.',
  ])('is seen in the words of Google: %s', (message) => {
    expect(refused(gemini, google(message))).toBe(true);
  });

  test.each([
    [{ ...invalid('The content gAAA could not be verified.'), code: 'invalid_encrypted_content' }, 400],
    [invalid('The encrypted content gAAA... could not be verified. Reason: it did not match.'), 400],
    [invalid("Item with id 'rs_68ab' not found. Items are not persisted when `store` is set to false."), 404],
    [invalid("Item 'rs_68ab' of type 'reasoning' was provided without its required following item."), 400],
  ])('is seen in the words of OpenAI: %o', (error, status) => {
    expect(refused(openaiResponses, error, status)).toBe(true);
  });

  test.each([
    "Unknown parameter: 'messages[1].reasoning_details'.",
    "'messages.1' : property 'reasoning_content' is unsupported",
    'body.messages.1.assistant.reasoning_content: Extra inputs are not permitted',
  ])('is seen in the words of servers that know no thoughts: %s', (message) => {
    expect(refused(openaiChat, invalid(message))).toBe(true);
  });

  test.each([
    [anthropic, invalid('max_tokens must be greater than `thinking.budget_tokens`'), 400],
    [anthropic, invalid('`temperature` may only be set to 1 when `thinking` is enabled.'), 400],
    [anthropic, { type: 'rate_limit_error', message: 'Too many thinking signatures' }, 429],
    [openaiResponses, invalid('Encrypted content is not supported with this model.'), 400],
    [openaiResponses, invalid("Unsupported parameter: 'reasoning.effort' is not supported."), 400],
    [openaiChat, invalid('Missing `reasoning_content` field in the assistant message at index 2.'), 400],
    [gemini, google('Invalid JSON payload received. Unknown name "const" at tools[0].'), 400],
  ] as const)('is not seen in another refusal: %#', (protocol, error, status) => {
    expect(refused(protocol, error, status)).toBe(false);
  });
});

describe('a request without thoughts', () => {
  const seal = { issuer: 'gemini', value: 's' };
  const request = (...parts: Part[]): ChatRequest => ({
    model: 'm',
    system: [],
    messages: [
      { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] },
      { role: 'assistant', parts },
    ],
    tools: [],
    sampling: {},
    stream: false,
    extra: {},
  });

  test('keeps what was said and called, but neither a thought nor a seal', () => {
    const call = { kind: 'tool-call', callId: 'a', name: 'n', args: '{}' } as const;
    const text = { kind: 'text', text: 'Yes.' } as const;
    const bare = withoutThoughts(
      request({ kind: 'reasoning', text: 'hm', seal }, { ...text, seal }, { ...call, seal }),
    );
    expect(bare).toEqual(request(text, call));
  });

  test('is the very same when there were none', () => {
    const plain = request({ kind: 'text', text: 'Yes.' });
    expect(withoutThoughts(plain)).toBe(plain);
  });
});
