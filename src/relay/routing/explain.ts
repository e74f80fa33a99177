import { excludes } from '../../accounts/pool/entitlements.ts';
import type { Explained, Pool } from '../../accounts/pool/pool.ts';
import type { Runtime } from '../../config/runtime.ts';
import { compact, type Json } from '../../core/json.ts';
import type { ModelCard } from '../../core/model.ts';
import { clean } from '../../telemetry/redact.ts';
import { type Attempt, named, optionsFor } from './plan.ts';

/** ISO 8601; undefined for what has no time. */
const instant = (ms: number): string | undefined =>
  Number.isFinite(ms) && ms > 0 ? new Date(ms).toISOString() : undefined;

/** Every listed model with who serves it: what `cliproxyapi++ models` prints. */
export function modelRows(runtime: Runtime, pool: Pool): readonly Json[] {
  return runtime.registry.list().map((card) => {
    const explained = pool.explain(optionsFor(runtime.registry.find(card.id)));
    const ready = explained.filter(({ blocks }) => blocks.length === 0).length;
    return {
      ...cardJson(card),
      providers: [...new Set(explained.map(({ option }) => option.connection.provider))],
      credentials: explained.length,
      ready,
    };
  });
}

const cardJson = ({ id, displayName, contextWindow, maxOutputTokens, thinking, inputs }: ModelCard): Json =>
  compact({
    id,
    display_name: displayName,
    context_window: contextWindow,
    max_output_tokens: maxOutputTokens,
    thinking: thinking === undefined ? 'unknown' : thinking === null ? 'none' : thinking,
    inputs,
  });

/** How a name is read, who would serve it now and who would not, each with the reason. */
export function explainModel(runtime: Runtime, pool: Pool, asked: string): Json {
  const { name, reasoning } = named(runtime, asked);
  const { registry, config } = runtime;
  const { by } = registry.found(name);
  return compact({
    asked,
    name,
    thinking_suffix: reasoning && { ...reasoning },
    found_by: by,
    strategy: config.routing.strategy,
    credentials: pool.explain(optionsFor(registry.find(name))).map(optionJson),
    skipped: registry.skipped(name).map(({ connection, why }) => ({
      provider: connection.provider,
      credentials: connection.accounts.map(({ label }) => label),
      why,
    })),
    nearest: by === undefined ? registry.nearest(name, 5) : undefined,
  });
}

function optionJson(explained: Explained<Attempt>): Json {
  const { option, blocks, last, quota, limits } = explained;
  const { account, connection, model, protocol } = option;
  return compact({
    provider: connection.provider,
    credential: account.label,
    auth_index: account.id,
    model,
    protocol: protocol.id,
    priority: account.priority,
    weight: account.weight,
    state: stateOf(explained),
    held_back: blocks.length > 0 ? blocks.map(blockJson) : undefined,
    in_flight: explained.inFlight,
    first_byte_ms: explained.firstByteMs > 0 ? Math.round(explained.firstByteMs) : undefined,
    last_error: last && {
      at: instant(last.atMs),
      code: last.error.code,
      scope: last.error.scope,
      message: clean(last.error.message),
      status: last.error.upstream?.status,
      upstream_request_id: last.error.upstream?.requestId,
    },
    quota:
      quota.length > 0
        ? quota.map((window) => ({ ...window, resetsAt: instant(window.resetsAt ?? 0) }))
        : undefined,
    limits: limits && { ...limits },
  });
}

function stateOf({ blocks, lowUntilMs }: Explained): string {
  if (blocks.length === 0) return lowUntilMs > 0 ? 'low on quota' : 'ready';
  const excluded = blocks.every(({ standing }) => standing.rest && excludes(standing.rest.error));
  return excluded ? 'not entitled' : 'held back';
}

function blockJson({ why, what, untilMs, standing }: Explained['blocks'][number]): Json {
  const error = standing.rest?.error;
  return compact({
    why: why === 'limited' ? `at its limit${what === undefined ? '' : ` of ${what}`}` : why,
    whose: standing.sphere,
    until: instant(untilMs),
    code: error?.code,
    status: error?.upstream?.status,
  });
}
