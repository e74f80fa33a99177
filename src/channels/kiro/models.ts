import { compact, type Json, readArray, readNumber, readObject, readString } from '../../core/json.ts';
import type { DeclaredModel } from '../../core/model.ts';
import type { ModelAlias } from '../channel.ts';

/** The models behind the service, and the names that they go by here. */

/**
 * The service's own name of a model. This gateway lists its models as `kiro-claude-sonnet-4-5`, as the reference
 * programs do; `-agentic` and `-chat` are variants that only those programs know. Any other name is taken as it is.
 */
export function modelIdOf(name: string): string {
  const bare = /^(?:kiro|amazonq)-(.+?)(?:-agentic|-chat)?$/i.exec(name)?.[1];
  return bare === undefined ? name : bare.replace(/(\d)-(\d{1,2})(?=-|$)/, '$1.$2');
}

/** The name that this gateway lists a model of the service under; undefined when it would not lead back to it. */
function listedName(modelId: string): string | undefined {
  const name = `kiro-${modelId.replaceAll('.', '-')}`;
  return modelIdOf(name) === modelId ? name : undefined;
}

/** What every Claude model does here; the service says nothing of it. */
const thinking = { min: 1024, max: 32_000, zeroAllowed: true };

/** One model of the service's own list. */
export function declared(row: Json): DeclaredModel[] {
  const modelId = readString(row.modelId);
  if (!modelId) return [];
  const limits = readObject(row.tokenLimits);
  const seen = readArray(row.supportedInputTypes)?.map((type) => String(type).toLowerCase());
  const name = listedName(modelId);
  return [
    compact({
      name: name ?? modelId,
      alias: name === undefined ? `kiro-${modelId}` : undefined,
      displayName: readString(row.modelName),
      contextWindow: readNumber(limits?.maxInputTokens),
      maxOutputTokens: readNumber(limits?.maxOutputTokens),
      thinking: modelId.startsWith('claude') ? thinking : undefined,
      inputs: seen && (seen.includes('image') ? (['text', 'image'] as const) : (['text'] as const)),
    }),
  ];
}

/** What is offered until the service has told its own list. */
export const knownModels: readonly DeclaredModel[] = [
  ['auto', 'Auto'],
  ['claude-opus-4.6', 'Claude Opus 4.6'],
  ['claude-opus-4.5', 'Claude Opus 4.5'],
  ['claude-sonnet-4.6', 'Claude Sonnet 4.6'],
  ['claude-sonnet-4.5', 'Claude Sonnet 4.5'],
  ['claude-sonnet-4', 'Claude Sonnet 4'],
  ['claude-haiku-4.5', 'Claude Haiku 4.5'],
].flatMap(([modelId, modelName]) =>
  declared({
    modelId,
    modelName,
    tokenLimits: { maxInputTokens: 200_000, maxOutputTokens: 64_000 },
    supportedInputTypes: ['TEXT', 'IMAGE'],
  }),
);

/** Models of Claude are found under Anthropic's names as well: `claude-sonnet-4-5`. */
export const plainNames = (offered: readonly DeclaredModel[]): readonly ModelAlias[] =>
  offered
    .filter(({ name }) => name.startsWith('kiro-claude-'))
    .map(({ name }) => ({ name, alias: name.slice('kiro-'.length), fork: true }));
