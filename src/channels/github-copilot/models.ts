import { compact, type Json, readArray, readNumber, readObject, readString } from '../../core/json.ts';
import type { DeclaredModel } from '../../core/model.ts';
import { type Effort, efforts } from '../../core/request.ts';
import anthropicMessages from '../../protocols/anthropic-messages/index.ts';
import openaiChat from '../../protocols/openai-chat/index.ts';
import openaiResponses from '../../protocols/openai-responses/index.ts';
import type { Protocol } from '../../protocols/protocol.ts';
import type { ModelAlias } from '../channel.ts';

/** Which models an account of Copilot has, and what each is spoken to in. */

/** The endpoints of the service by the protocol that they speak. */
export const paths: Readonly<Record<string, string>> = {
  [anthropicMessages.id]: '/v1/messages',
  [openaiChat.id]: '/chat/completions',
  [openaiResponses.id]: '/responses',
};

/** In this order: Messages keeps Claude's thoughts; Responses is for models that have nothing else. */
const preferred = [anthropicMessages, openaiChat, openaiResponses];

/** What a model is spoken to in, by the endpoints that the service lists for it; by its name when it lists none. */
export function protocolFor(model: string, listed: readonly string[] | undefined): Protocol {
  const found = preferred.find(({ id }) => listed?.includes(paths[id]!));
  return found ?? (/codex/i.test(model) ? openaiResponses : openaiChat);
}

/** One entry of the service's list; undefined for what answers no chat. */
export function declared(row: Json): DeclaredModel | undefined {
  const capabilities = readObject(row.capabilities);
  const name = readString(row.id);
  if (!name || (capabilities?.type !== undefined && capabilities.type !== 'chat')) return undefined;
  const policy = readString(readObject(row.policy)?.state);
  if (policy === 'disabled') return undefined;
  const limits = readObject(capabilities?.limits);
  const supports = readObject(capabilities?.supports);
  const levels = readArray(supports?.reasoning_effort)?.filter((level): level is Effort =>
    (efforts as readonly unknown[]).includes(level),
  );
  const seen = supports?.vision;
  return compact({
    name,
    displayName: readString(row.name),
    contextWindow: readNumber(limits?.max_context_window_tokens),
    maxOutputTokens: readNumber(limits?.max_output_tokens),
    thinking: levels?.length ? { levels } : undefined,
    inputs:
      seen === undefined ? undefined : seen === true ? (['text', 'image'] as const) : (['text'] as const),
  });
}

/** The endpoints that an entry lists. */
export const endpointsOf = (row: Json): readonly string[] | undefined =>
  readArray(row.supported_endpoints)?.filter((path) => typeof path === 'string');

/** What is offered until the service has told its own list. */
export const knownModels: readonly DeclaredModel[] = [
  'gpt-4.1',
  'gpt-5',
  'gpt-5-mini',
  'gpt-5-codex',
  'gpt-5.1',
  'gpt-5.1-codex',
  'gpt-5.1-codex-mini',
  'claude-haiku-4.5',
  'claude-opus-4.1',
  'claude-opus-4.5',
  'claude-sonnet-4',
  'claude-sonnet-4.5',
  'gemini-2.5-pro',
  'gemini-3-pro',
  'grok-code-fast-1',
  'raptor-mini',
].map((name) => ({ name }));

/** Models of Claude are found under Anthropic's spelling as well, which has hyphens in its versions. */
export const hyphenated = (offered: readonly DeclaredModel[]): readonly ModelAlias[] =>
  offered
    .filter(({ name }) => name.startsWith('claude-') && name.includes('.'))
    .map(({ name }) => ({ name, alias: name.replaceAll('.', '-'), fork: true }));
