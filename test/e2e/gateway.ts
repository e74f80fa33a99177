import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type { Json } from '../../src/core/json.ts';
import { run } from '../../src/core/machine.ts';
import { frames, type Frame } from '../../src/wire/sse.ts';
import { clientKey, start, type Launch, type Program } from '../support/binary.ts';
import { anthropicUpstream, openaiUpstream, simulatorKey, type Simulator } from '../support/upstream.ts';

/** The binary in front of both simulated providers, with the official SDKs in front of it. */
export interface Gateway {
  readonly program: Program;
  readonly openai: Simulator;
  readonly anthropic: Simulator;
  readonly gpt: OpenAI;
  readonly claude: Anthropic;
  stop(): Promise<void>;
}

export interface Wish extends Omit<Launch, 'config'> {
  /** Upstream keys of each provider; one good one when left out. */
  readonly keys?: readonly string[];
  /** More of config.yaml. */
  readonly more?: string;
  /** The `request-scoped-errors` of OpenAI's entry. */
  readonly rules?: readonly string[];
  /** Where the providers stand; the simulators when left out. */
  readonly openaiUrl?: string;
  readonly anthropicUrl?: string;
}

/** Starts it all. `gpt-sim` is served by OpenAI's simulator, `claude-sim` by Anthropic's. */
export async function gateway(wish: Wish = {}): Promise<Gateway> {
  const openai = openaiUpstream();
  const anthropic = anthropicUpstream();
  const { keys = [simulatorKey], more = '', rules = [], openaiUrl, anthropicUrl, ...launch } = wish;
  for (const key of keys) {
    openai.keys.add(key);
    anthropic.keys.add(key);
  }
  const config = providers(openaiUrl ?? openai.url, anthropicUrl ?? anthropic.url, keys, rules) + more;
  const program = await start({ ...launch, config });
  return {
    program,
    openai,
    anthropic,
    ...clients(program),
    async stop() {
      await program.stop();
      openai.stop();
      anthropic.stop();
    },
  };
}

/** The provider entries of config.yaml. */
export const providers = (
  openaiUrl: string,
  anthropicUrl: string,
  keys: readonly string[],
  rules: readonly string[] = [],
): string =>
  [
    'openai-compatibility:',
    '  - name: sim',
    `    base-url: ${openaiUrl}/v1`,
    '    api-key-entries:',
    ...keys.map((key) => `      - api-key: ${key}`),
    '    models:',
    '      - name: gpt-sim',
    `    request-scoped-errors: [${rules.join(', ')}]`,
    'claude-api-key:',
    ...keys.flatMap((key) => [
      `  - api-key: ${key}`,
      `    base-url: ${anthropicUrl}`,
      '    models:',
      '      - name: claude-sim',
    ]),
    '',
  ].join('\n');

export const clients = ({ url }: Program) => ({
  gpt: new OpenAI({ apiKey: clientKey, baseURL: `${url}/v1`, maxRetries: 0 }),
  claude: new Anthropic({ apiKey: clientKey, baseURL: url, maxRetries: 0 }),
});

/** The four directions: whose client speaks, and whose model it asks for. */
export const directions = [
  { client: 'openai-chat', model: 'gpt-sim' },
  { client: 'openai-chat', model: 'claude-sim' },
  { client: 'anthropic-messages', model: 'gpt-sim' },
  { client: 'anthropic-messages', model: 'claude-sim' },
] as const;

export type Direction = (typeof directions)[number];

/** The simulator behind a direction. */
export const behind = (it: Gateway, { model }: Direction): Simulator =>
  model === 'gpt-sim' ? it.openai : it.anthropic;

/** A request in the client's dialect, raw, so that a test sees every byte of the answer. */
export function ask(
  { url }: Pick<Program, 'url'>,
  { client, model }: Direction,
  text: string,
  more: {
    readonly body?: Json;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
  } = {},
): Promise<Response> {
  const path = client === 'openai-chat' ? '/v1/chat/completions' : '/v1/messages';
  const limit = client === 'openai-chat' ? {} : { max_tokens: 1_000 };
  const body = { model, ...limit, messages: [{ role: 'user', content: text }], ...more.body };
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${clientKey}`,
    ...(client === 'openai-chat' ? {} : { 'anthropic-version': '2023-06-01' }),
    ...more.headers,
  };
  const signal = more.signal ? { signal: more.signal } : {};
  return fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body), ...signal });
}

/** The frames of a streamed answer, once it is over. `watch` is shown all its text so far, whenever more comes. */
export async function framesOf(response: Response, watch?: (text: string) => unknown): Promise<Frame[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    watch?.(Buffer.concat(chunks).toString());
  }
  return run(frames(), chunks);
}
