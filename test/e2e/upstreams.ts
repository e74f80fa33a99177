import { cleanUp, type Program, start } from '../support/binary.ts';
import {
  anthropicUpstream,
  geminiUpstream,
  openaiUpstream,
  responsesUpstream,
  simulatorKey,
  type Simulator,
} from '../support/upstream.ts';
import { providers } from './gateway.ts';

/** A model of each upstream format: Chat, Responses, Responses as ChatGPT's backend speaks it, Messages and Gemini. */
export const models = ['gpt-sim', 'resp-sim', 'codex-sim', 'claude-sim', 'gemini-3-sim'] as const;

/** The binary in front of a provider of every upstream format. */
export interface Upstreams {
  readonly program: Program;
  /** The provider of a model. */
  behind(model: string): Simulator;
  /** What providers had reason to refuse since the last time, which is then forgotten with everything else. */
  settle(): readonly string[];
  stop(): Promise<void>;
}

/** @param more of config.yaml, given where Google's provider stands. */
export async function everyUpstream(more: (googleUrl: string) => string = () => ''): Promise<Upstreams> {
  const openai = openaiUpstream();
  const anthropic = anthropicUpstream();
  const google = geminiUpstream();
  const responses = responsesUpstream();
  const simulators = [openai, anthropic, google, responses];
  const config = [
    providers(openai.url, anthropic.url, [simulatorKey]),
    'codex-api-key:',
    `  - api-key: ${simulatorKey}`,
    `    base-url: ${responses.url}/v1`,
    '    models: [{name: resp-sim}]',
    `  - api-key: ${simulatorKey}`,
    `    base-url: ${responses.url}/backend-api/codex`,
    '    models: [{name: codex-sim}]',
    'gemini-api-key:',
    `  - api-key: ${simulatorKey}`,
    `    base-url: ${google.url}`,
    '    models: [{name: gemini-3-sim}, {name: gemini-2-sim}, {name: gemini-embedding-sim, alias: embed}]',
    // One test's failures are not to rest another's credential.
    'disable-cooling: true',
    more(google.url),
    '',
  ].join('\n');
  const program = await start({ config });
  return {
    program,
    behind(model) {
      if (/^(?:gemini|vertex)-/.test(model)) return google;
      return { 'gpt-sim': openai, 'claude-sim': anthropic }[model] ?? responses;
    },
    settle() {
      const refused = simulators.flatMap((simulator) => simulator.refused);
      for (const simulator of simulators) simulator.reset();
      return refused;
    },
    async stop() {
      await cleanUp();
      for (const simulator of simulators) simulator.stop();
    },
  };
}

/** One white pixel. */
export const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** What tools and answers are to look like, and the sample of it that every simulated model gives. */
export const schema = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const }, days: { type: 'integer' as const } },
  required: ['city', 'days'],
  additionalProperties: false,
};
export const sample = { city: 'Zürich "quoted" 😀', days: 7 };

/** What every simulated model thinks when it is to think. */
export const thought = 'Let me think about it. 🤔';
