import { type Json, tryParseObject } from '../../core/json.ts';
import { exampleOf } from './example.ts';

/** What a request asks of the demo, in no protocol's words. */
export interface Ask {
  /** The words of the last user message. */
  readonly text: string;
  /** Pictures and documents of the last user message. */
  readonly media: readonly Media[];
  /** The texts of the tool results that the conversation ends with. */
  readonly results: readonly string[];
  readonly tools: readonly { readonly name: string; readonly schema: Json }[];
  /** Which tool must be called: one by name, `any`, or none at all. */
  readonly choice: { readonly name: string } | 'any' | 'none' | 'auto';
  readonly thinks: boolean;
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
  /** Structured output: a schema, or any JSON. */
  readonly output: { readonly schema: Json } | 'json' | undefined;
  /** Tokens of the whole prompt, by the demo's own count. */
  readonly promptTokens: number;
}

export interface Media {
  readonly mime: string;
  /** Unknown for a link. */
  readonly bytes?: number;
  readonly url?: string;
}

/** What the demo does about it: an error, or something to say. */
export type Act =
  | { readonly kind: 'refuse'; readonly status: number }
  | {
      readonly kind: 'answer';
      /** Each is a list of words with the space after them; one word is one token. */
      readonly thinking: readonly string[];
      readonly words: readonly string[];
      readonly calls: readonly { readonly name: string; readonly args: readonly string[] }[];
      readonly end: 'end' | 'length' | 'stop' | 'tool';
      /** The stop sequence that ended it. */
      readonly stop?: string;
      /** The stream breaks half way with an error. */
      readonly breaks: boolean;
    };

export type Answer = Extract<Act, { kind: 'answer' }>;

/** Decides what to say. The same request always gets the same answer. */
export function act(ask: Ask): Act {
  const asked = ask.results.length === 0 ? ask.text : '';
  const status = Number(/\bfail with (\d{3})\b/i.exec(asked)?.[1]);
  if (status >= 400 && status <= 599) return { kind: 'refuse', status };
  const calls = asked === '' && ask.choice === 'auto' ? [] : callsFor(ask, asked);
  const said = calls.length > 0 ? '' : sentence(ask, asked);
  const stop = ask.stop
    .filter((text) => text !== '' && said.includes(text))
    .sort((a, b) => said.indexOf(a) - said.indexOf(b))[0];
  const kept = stop === undefined ? said : said.slice(0, said.indexOf(stop));
  return limited(
    {
      kind: 'answer',
      thinking: ask.thinks ? words(thoughts(ask, calls)) : [],
      words: words(kept),
      calls: calls.map(({ name, args }) => ({ name, args: words(args) })),
      end: calls.length > 0 ? 'tool' : stop === undefined ? 'end' : 'stop',
      ...(stop === undefined ? {} : { stop }),
      breaks: /\bfail midstream\b/i.test(asked),
    },
    ask.maxTokens,
  );
}

/** Words with the space that follows them, so that joining them gives the text back. */
const words = (text: string): readonly string[] => text.match(/\s*\S+\s*|\s+/g) ?? [];

/** The demo's own measure of text that nobody will say word by word. */
export const tokensIn = (text: string): number => Math.ceil(text.length / 4);

export const outputTokens = ({ thinking, words, calls }: Answer): number =>
  thinking.length + words.length + calls.reduce((sum, call) => sum + call.args.length, 0);

interface Planned {
  readonly name: string;
  readonly args: string;
}

/** `use the tool NAME`, once or several times, perhaps `with {…}`; or what tool_choice forces. */
function callsFor({ tools, choice }: Ask, asked: string): readonly Planned[] {
  if (choice === 'none') return [];
  const given = /\bwith (\{[\s\S]*\})/.exec(asked)?.[1];
  const argsFor = (schema: Json) =>
    JSON.stringify(
      (given === undefined ? undefined : tryParseObject(given)) ?? exampleOf(schema, schema) ?? {},
    );
  const named = [...asked.matchAll(/\buse the tool [`"']?([\w.:/-]*\w)/gi)].map((match) => match[1]!);
  const forced = choice === 'auto' ? undefined : choice === 'any' ? tools[0]?.name : choice.name;
  const wanted = named.length > 0 ? named : forced === undefined ? [] : [forced];
  return wanted.flatMap((name) => {
    const tool = tools.find((candidate) => candidate.name === name);
    return tool ? [{ name, args: argsFor(tool.schema) }] : [];
  });
}

function sentence(ask: Ask, asked: string): string {
  if (ask.results.length > 0) return ask.results.join('\n\n');
  const missing = /\buse the tool [`"']?([\w.:/-]*\w)/i.exec(asked)?.[1];
  if (missing !== undefined && ask.choice !== 'none') {
    const known = ask.tools.map((tool) => tool.name).join(', ') || 'none';
    return `No tool named ${missing} was declared. Declared tools: ${known}.`;
  }
  if (ask.output === 'json') return JSON.stringify({ echo: asked });
  if (ask.output) return JSON.stringify(exampleOf(ask.output.schema, ask.output.schema));
  const seen = ask.media.map(
    ({ mime, bytes, url }) => `[${mime}, ${bytes === undefined ? url : `${bytes} bytes`}]`,
  );
  const lines = [asked, ...seen].filter((line) => line !== '');
  return lines.length > 0 ? lines.join('\n') : 'Say something, and I say it back.';
}

function thoughts({ results, text }: Ask, calls: readonly Planned[]): string {
  if (results.length > 0) return 'The tool has answered. I pass its answer on.';
  if (calls.length > 0)
    return `I am asked to use ${calls.map((call) => call.name).join(' and ')}. I make up arguments that fit.`;
  return `The user says ${text.length} characters. I say them back.`;
}

/** Cuts after so many tokens, thinking first, as a model does that runs out of them. */
function limited(answer: Answer, maxTokens: number | undefined): Answer {
  if (maxTokens === undefined || outputTokens(answer) <= maxTokens) return answer;
  const thinking = answer.thinking.slice(0, maxTokens);
  const spoken = answer.words.slice(0, maxTokens - thinking.length);
  let left = maxTokens - thinking.length - spoken.length;
  const calls = answer.calls.flatMap(({ name, args }) => {
    const kept = args.slice(0, left);
    left -= kept.length;
    return kept.length > 0 ? [{ name, args: kept }] : [];
  });
  const { stop: _, ...rest } = answer;
  return { ...rest, thinking, words: spoken, calls, end: 'length' };
}
