import type { Json } from './json.ts';

/**
 * What a client wants, in no one's dialect. Every protocol decodes into it and encodes from it.
 * It holds no URL, no key and no upstream model name. What nobody said is absent or undefined; both mean the same.
 */
export interface ChatRequest {
  /** The model as the client named it, without a thinking suffix. */
  readonly model: string;
  readonly system: readonly Part[];
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice | undefined;
  /** False forbids several tool calls in one turn; absent leaves the upstream's default. */
  readonly parallelTools?: boolean | undefined;
  readonly sampling: Sampling;
  readonly reasoning?: Reasoning | undefined;
  readonly output?: OutputFormat | undefined;
  readonly stream: boolean;
  /** The client's own name for its end user; passed on only as the client wrote it. */
  readonly user?: string | undefined;
  /** `auto`, `default`, `flex`, `priority`, `standard_only`. */
  readonly serviceTier?: string | undefined;
  /** A stable key under which the upstream may cache the prompt prefix. */
  readonly cacheKey?: string | undefined;
  readonly extra: Extra;
}

/**
 * Fields only one protocol understands, kept under that protocol's id and written back only there.
 * An encoder of another protocol reports each of them as dropped.
 */
export type Extra = Readonly<Record<string, Json>>;

export interface Message {
  /** `system` in the middle of a conversation: an instruction, not the user's words. */
  readonly role: 'user' | 'assistant' | 'system';
  readonly parts: readonly Part[];
  readonly extra?: Extra | undefined;
}

/** One piece of content, in a request's history or in a reply. */
export type Part =
  | TextPart
  | RefusalPart
  | MediaPart
  | ReasoningPart
  | ToolCallPart
  | ToolResultPart
  | HostedCallPart
  | HostedResultPart
  | ForeignPart;

interface Marked {
  readonly cache?: CacheMark | undefined;
  readonly extra?: Extra | undefined;
}

export interface TextPart extends Marked {
  readonly kind: 'text';
  readonly text: string;
  readonly citations?: readonly Citation[] | undefined;
  readonly logprobs?: readonly Json[] | undefined;
  /** Gemini signs visible text too. */
  readonly seal?: Seal;
}

/** Words and nothing else: no mark, no seal, no source, and nothing that only one protocol knows. */
export const isPlain = (part: Part): part is TextPart =>
  part.kind === 'text' && !part.cache && !part.extra && !part.citations && !part.seal;

/** The model's own words of refusal, where a protocol tells them from its answer. */
export interface RefusalPart extends Marked {
  readonly kind: 'refusal';
  readonly text: string;
}

export interface MediaPart extends Marked {
  readonly kind: 'media';
  readonly media: 'image' | 'document' | 'audio' | 'video';
  /** A MIME type such as `image/png`; `application/octet-stream` when unknown, '' for a URL or a file id without one. */
  readonly mime: string;
  readonly source: MediaSource;
  readonly name?: string | undefined;
  /** `low`, `high`, `auto`: how closely an image is looked at. */
  readonly detail?: string;
  readonly seal?: Seal;
}

export type MediaSource =
  /** Base64, without a data: prefix. */
  | { readonly kind: 'data'; readonly data: string }
  | { readonly kind: 'url'; readonly url: string }
  /** A plain-text document given in place. */
  | { readonly kind: 'text'; readonly text: string }
  /** A file the client uploaded to the protocol's own vendor. */
  | { readonly kind: 'file'; readonly id: string };

export interface ReasoningPart extends Marked {
  readonly kind: 'reasoning';
  /** What the model shows of its thinking; empty when it is only sealed. */
  readonly text: string;
  readonly seal?: Seal;
}

export interface ToolCallPart extends Marked {
  readonly kind: 'tool-call';
  readonly callId: string;
  readonly name: string;
  /** The arguments exactly as the model wrote them: JSON text for a function, free text when `custom`. */
  readonly args: string;
  readonly custom?: boolean | undefined;
  readonly namespace?: string;
  readonly seal?: Seal;
}

export const isCall = (part: Part): part is ToolCallPart => part.kind === 'tool-call';

export interface ToolResultPart extends Marked {
  readonly kind: 'tool-result';
  readonly callId: string;
  /** The tool's name where the protocol says it (Gemini); others find it by the call id. */
  readonly name?: string | undefined;
  readonly parts: readonly Part[];
  readonly failed: boolean;
  readonly custom?: boolean | undefined;
}

/** A tool the vendor runs itself, such as a web search. */
export type HostedTool =
  'web-search' | 'web-fetch' | 'code-execution' | 'image-generation' | 'file-search' | 'mcp' | 'other';

export interface HostedCallPart extends Marked {
  readonly kind: 'hosted-call';
  readonly tool: HostedTool;
  readonly callId: string;
  /** Such as `{"query": "…"}` for a web search. */
  readonly input: Json;
  /** The block as its own protocol wrote it. */
  readonly foreign?: Foreign;
}

export interface HostedResultPart extends Marked {
  readonly kind: 'hosted-result';
  readonly tool: HostedTool;
  readonly callId: string;
  readonly sources: readonly Citation[];
  readonly failed: boolean;
  readonly foreign?: Foreign;
}

/** A thing only one protocol can say; other protocols drop it and report it. */
export interface ForeignPart extends Marked {
  readonly kind: 'foreign';
  readonly foreign: Foreign;
}

export interface Foreign {
  /** The id of the protocol that wrote `value`. */
  readonly protocol: string;
  readonly value: unknown;
}

export interface Citation {
  readonly url?: string;
  readonly title?: string;
  /** The words of the source. */
  readonly quote?: string;
  /** Where in the answer it applies, in code points from the start of its text block. */
  readonly start?: number;
  readonly end?: number;
  readonly foreign?: Foreign;
}

/**
 * An opaque token its issuer wants back verbatim: a thinking signature, encrypted reasoning, a thought signature.
 * It goes back to its issuer and to nobody else.
 */
export interface Seal {
  /** The vendor that made it, such as `anthropic`, `openai`, `gemini`. */
  readonly issuer: string;
  /** The upstream's name of the model that made it, where it is known. */
  readonly model?: string;
  /** The id of the account that it was made for, where it is known. */
  readonly account?: string;
  readonly value: string;
  /** True when `value` holds the whole thought encrypted (redacted thinking), not a signature over visible text. */
  readonly redacted?: boolean;
}

export interface CacheMark {
  readonly ttl?: '5m' | '1h';
}

export type Tool = FunctionTool | CustomTool | HostedToolSpec;

interface ToolCommon {
  readonly name: string;
  readonly description?: string | undefined;
  readonly namespace?: string;
  readonly cache?: CacheMark | undefined;
  readonly extra?: Extra | undefined;
}

export interface FunctionTool extends ToolCommon {
  readonly kind: 'function';
  /** JSON Schema of the arguments; always an object schema. */
  readonly schema: Json;
  readonly strict?: boolean | undefined;
}

/** A tool whose argument is free text, perhaps bound by a grammar. */
export interface CustomTool extends ToolCommon {
  readonly kind: 'custom';
  readonly format?: Json;
}

export interface HostedToolSpec extends ToolCommon {
  readonly kind: 'hosted';
  readonly tool: HostedTool;
  /** The options that have an equivalent elsewhere. */
  readonly allowedDomains?: readonly string[];
  readonly blockedDomains?: readonly string[];
  readonly maxUses?: number;
  /** The definition as its own protocol wrote it. */
  readonly foreign: Foreign;
}

export type ToolChoice =
  | { readonly kind: 'auto' }
  | { readonly kind: 'none' }
  | { readonly kind: 'required' }
  | { readonly kind: 'tool'; readonly name: string; readonly namespace?: string }
  | { readonly kind: 'subset'; readonly names: readonly string[]; readonly required: boolean };

export interface Sampling {
  readonly maxTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly seed?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  /** How many alternative replies; absent means one. */
  readonly choices?: number | undefined;
  /** Log probabilities of each token, and of how many alternatives. */
  readonly logprobs?: { readonly top?: number | undefined } | undefined;
}

export const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
/** How hard to think, weakest first; `none` switches thinking off. */
export type Effort = (typeof efforts)[number];

export interface Reasoning {
  /** A level, `auto` for the model's own choice, or any word a custom upstream may know. */
  readonly effort?: Effort | 'auto' | (string & {}) | undefined;
  /** Thinking tokens; 0 is off, -1 is the model's own choice. */
  readonly budget?: number | undefined;
  /** Whether the client asked to see a summary, and how long: `auto`, `concise`, `detailed`, or `none` to hide it. */
  readonly summary?: string | undefined;
}

/** Structured output. */
export type OutputFormat =
  | { readonly kind: 'json' }
  | {
      readonly kind: 'schema';
      readonly name?: string | undefined;
      readonly description?: string | undefined;
      readonly schema: Json;
      readonly strict?: boolean | undefined;
    };
