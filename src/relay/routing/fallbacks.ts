import type { Runtime } from '../../config/runtime.ts';
import type { Config } from '../../config/schema.ts';

/** The models to ask when one cannot answer, in order: those the operator lists, and nothing else. */
export function fallbacksOf({ fallbacks }: Config, model: string): readonly string[] {
  for (const key in fallbacks) if (key.toLowerCase() === model.toLowerCase()) return fallbacks[key]!;
  return none;
}

const none: readonly string[] = [];

/** Whether a model whose quota is used up hands over to its preview, or the preview to its model. */
export const switchesPreview = (config: Config): boolean =>
  config['quota-exceeded']?.['switch-preview-model'] === true;

/**
 * The twin of a model, which vendors count apart: the model without its `-preview`, or the newest preview of one that has
 * none.
 */
export function previewTwin({ registry }: Runtime, model: string): string | undefined {
  const bare = unpreviewed(model);
  const twins = registry.list().filter(({ id }) => id !== model && unpreviewed(id) === bare);
  return twins.findLast(({ id }) => id === bare)?.id ?? twins.at(-1)?.id;
}

/** `gemini-3-pro-preview-11-2025` as `gemini-3-pro`. */
const unpreviewed = (id: string): string => id.replace(/-preview(?:-\d{1,4})*(?=$|-[a-z])/, '');
