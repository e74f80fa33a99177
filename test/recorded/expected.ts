import type { FinishReason, Reply } from '../../src/core/event.ts';
import type { Part } from '../../src/core/request.ts';
import { type Heard, parsed } from './heard.ts';

/** How the client of a protocol must hear of things. */
interface Ear {
  readonly words: Readonly<Record<FinishReason, string>>;
  /** A refusal in words is told apart from text; then the reason is this, whatever the upstream gave. */
  readonly refusal?: string | 'as it is';
  /** Arguments that are no JSON object, such as the text of a free-form tool. */
  text(args: string, custom: boolean): unknown;
}

const ears: Readonly<Record<string, Ear>> = {
  'openai-chat': {
    words: {
      end: 'stop',
      stop: 'stop',
      length: 'length',
      tool: 'tool_calls',
      filter: 'content_filter',
      pause: 'stop',
      malformed: 'stop',
    },
    refusal: 'as it is',
    text: (args) => args,
  },
  'openai-responses': {
    words: {
      end: 'completed',
      stop: 'completed',
      length: 'max_output_tokens',
      tool: 'completed',
      filter: 'content_filter',
      pause: 'incomplete',
      malformed: 'failed',
    },
    refusal: 'completed',
    text: (args) => args,
  },
  'anthropic-messages': {
    words: {
      end: 'end_turn',
      stop: 'stop_sequence',
      length: 'max_tokens',
      tool: 'tool_use',
      filter: 'refusal',
      pause: 'pause_turn',
      malformed: 'end_turn',
    },
    text: (args, custom) => (custom ? { input: args } : { _raw_arguments: args }),
  },
  gemini: {
    words: {
      end: 'STOP',
      stop: 'STOP',
      length: 'MAX_TOKENS',
      tool: 'STOP',
      filter: 'SAFETY',
      pause: 'STOP',
      malformed: 'MALFORMED_FUNCTION_CALL',
    },
    text: (args, custom) => (custom ? { input: args } : { _raw: args }),
  },
};

/** What the official library of a client of this protocol must hear of a reply. */
export function expected(protocol: string, { parts, reason, usage }: Reply): Heard {
  const ear = ears[protocol];
  if (!ear) throw new Error(`Tell test/recorded/expected.ts how a client of ${protocol} hears.`);
  const refusal = parts.map((part) => (part.kind === 'refusal' ? part.text : '')).join('');
  return {
    text: parts.map((part) => wordsOf(part, ear)).join(''),
    refusal: ear.refusal ? refusal : '',
    calls: parts.flatMap((part) => {
      if (part.kind !== 'tool-call') return [];
      const { name, args, custom = false } = part;
      const given = custom ? args : parsed(args);
      return [{ name, args: typeof given === 'string' ? ear.text(given, custom) : given }];
    }),
    reason: reasonOf(reason, refusal !== '', ear),
    usage: {
      input: usage.input,
      output: usage.output,
      cacheRead: usage.cacheRead,
      reasoning: usage.reasoning,
    },
  };
}

const wordsOf = (part: Part, { refusal }: Ear): string =>
  part.kind === 'text' || (part.kind === 'refusal' && !refusal) ? part.text : '';

function reasonOf(reason: FinishReason, refused: boolean, { words, refusal }: Ear): string {
  if (!refused || refusal === 'as it is') return words[reason];
  return refusal ?? words[reason === 'end' ? 'filter' : reason];
}
