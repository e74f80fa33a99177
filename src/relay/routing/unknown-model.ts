import type { Runtime } from '../../config/runtime.ts';
import { GatewayError } from '../../core/error.ts';

/** Reasons beyond this many help nobody. */
const mostReasons = 5;

/** What a client is told of a model that nobody serves: the nearest names, and who knows it and keeps it back. */
export function unknownModel({ registry }: Runtime, name: string): GatewayError {
  const nearest = registry.nearest(name, 3);
  const hint = nearest.length > 0 ? `Did you mean ${nearest.map((id) => `"${id}"`).join(', ')}? ` : '';
  const knowing = registry.skipped(name).filter(({ knows }) => knows);
  const reasons = [...new Set(knowing.map(({ connection, why }) => `${connection.provider} ${why}`))];
  const held = reasons.length > 0 ? ` (${reasons.slice(0, mostReasons).join('; ')})` : '';
  return new GatewayError(
    { kind: 'not-found', what: 'model' },
    `Model "${name}" is not offered here${held}.`,
    {
      remedy: `${hint}GET /v1/models lists every model; aliases, prefixes and excluded-models in config.yaml decide what is in it.`,
    },
  );
}
