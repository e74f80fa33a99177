import { Type } from '@sinclair/typebox';
import { type Account, accountId } from '../../accounts/account.ts';
import { tryParseObject } from '../../core/json.ts';
import anthropicMessages from '../../protocols/anthropic-messages/index.ts';
import openaiChat from '../../protocols/openai-chat/index.ts';
import { type Call, channel, type Connection, type Operation, type Outgoing } from '../channel.ts';
import { answerChat } from './chat.ts';
import { answerEndpoint, hasEndpoint } from './endpoints.ts';
import { answerCount, answerMessages } from './messages.ts';

/**
 * An upstream inside the program, so that a client can be wired up and tested without spending a token. It speaks the
 * wire formats of real providers and passes through everything a real one passes through.
 */

const defaultDelayMs = 20;

const settings = Type.Union(
  [
    Type.Boolean(),
    Type.Object({
      enabled: Type.Optional(Type.Boolean({ description: 'Switches it on; on when absent.' })),
      'delay-ms': Type.Optional(
        Type.Integer({
          minimum: 0,
          description: `Pause before each streamed word; ${defaultDelayMs} when absent.`,
        }),
      ),
    }),
  ],
  {
    description:
      'The built-in models demo (Chat Completions) and demo-claude (Messages): they echo, stream, think, call a tool when told to "use the tool NAME", and fail when told to "fail with STATUS". demo also embeds, draws, speaks, writes down, judges and sorts, as a toy does.',
  },
);

const claudeModel = 'demo-claude';

export default channel({
  id: 'demo',
  settings: { demo: settings },
  open(_, slice) {
    const { enabled = true, 'delay-ms': delayMs = defaultDelayMs } =
      typeof slice === 'boolean' ? { enabled: slice } : slice;
    return enabled ? [connection(delayMs)] : [];
  },
});

const thinking = { levels: ['low', 'medium', 'high'], min: 1024, max: 32_000, zeroAllowed: true } as const;
const limits = {
  contextWindow: 200_000,
  maxOutputTokens: 64_000,
  thinking,
  inputs: ['text', 'image', 'document'],
} as const;

const account: Account = {
  id: accountId('demo'),
  provider: 'demo',
  label: 'demo',
  secret: { kind: 'none' },
  priority: 0,
  weight: 1,
  proxy: 'direct',
};

function connection(delayMs: number): Connection {
  return {
    id: 'demo',
    provider: 'demo',
    accounts: [account],
    models: {
      declared: [
        { name: 'demo', displayName: 'Demo', ...limits },
        { name: claudeModel, displayName: 'Demo (Messages)', ...limits },
      ],
      excluded: [],
    },
    speaks: (model) => (model === claudeModel ? anthropicMessages : openaiChat),
    prepare,
    send: (outgoing, signal) => answer(outgoing, delayMs, signal),
    can: (operation, model) =>
      operation === 'chat' || (model === claudeModel ? operation === 'count-tokens' : hasEndpoint(operation)),
  };
}

const origin = 'http://demo.invalid';

/** Nothing leaves the program; the address only says which wire is spoken. */
function prepare({ model, operation, body, headers, clientHeaders }: Call): Outgoing {
  const passed = new Headers(headers);
  passed.set('content-type', clientHeaders.get('content-type') ?? 'application/json');
  return {
    method: 'POST',
    url: origin + pathOf(model, operation),
    headers: passed,
    body,
    proxy: 'direct',
  };
}

function pathOf(model: string, operation: Operation): string {
  if (operation === 'count-tokens') return '/v1/messages/count_tokens';
  if (operation !== 'chat') return operation;
  return model === claudeModel ? '/v1/messages' : '/v1/chat/completions';
}

async function answer(
  { url, body, headers }: Outgoing,
  delayMs: number,
  signal: AbortSignal,
): Promise<Response> {
  signal.throwIfAborted();
  const path = url.slice(origin.length);
  if (hasEndpoint(path)) return answerEndpoint(path, new Response(body ?? '', { headers }));
  const request =
    tryParseObject(typeof body === 'string' ? body : await new Response(body ?? '').text()) ?? {};
  if (path === '/v1/messages/count_tokens') return answerCount(request);
  return path === '/v1/messages'
    ? answerMessages(request, delayMs, signal)
    : answerChat(request, delayMs, signal);
}
