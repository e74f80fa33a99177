import { compact } from '../../core/json.ts';
import { clean } from '../../telemetry/redact.ts';
import type { LiveQuota, LoginCount } from '../../telemetry/telemetry.ts';
import type { Exclusion } from '../pool/entitlements.ts';
import { instantOf, numberField, textField } from '../fields.ts';
import type { Kept } from './keeper.ts';
import type { QuotaWindow } from '../quota.ts';
import { typeOf } from './roster.ts';

/** What an operator sees of one file of the auth folder. It holds no secret. */
export interface LoginView {
  /** The path below the folder. */
  readonly name: string;
  /** The channel, or the type where there is none. */
  readonly channel: string;
  readonly label: string;
  readonly state: 'ready' | 'renewing' | 'needs_login' | 'disabled' | 'invalid';
  /** Why it cannot be used, and what to do. */
  readonly reason?: string;
  readonly remedy?: string;
  /** ISO 8601. */
  readonly expires_at?: string;
  readonly last_refresh?: string;
  /** Why the last renewal failed, when it did. */
  readonly last_error?: string;
  readonly workspace?: string;
  readonly priority?: number;
  readonly note?: string;
  readonly duplicate_of?: string;
  readonly quota?: readonly QuotaView[];
  /** As the provider names it, where it tells. */
  readonly plan?: string;
  /** Models that the plan leaves out, as far as somebody has asked for them. */
  readonly not_entitled?: readonly ExclusionView[];
}

/** A model that a plan leaves out; others are asked for it first. */
export interface ExclusionView {
  readonly model: string;
  readonly message: string;
  /** ISO 8601. */
  readonly until?: string;
}

/** One window of a login's quota. */
export type QuotaView = Omit<LiveQuota, 'credential'>;

/** The state in words, with what to do about it. @param excluded what was learned of its plan. */
export function viewOf({ name, entry, login }: Kept, excluded: readonly Exclusion[] = []): LoginView {
  const fields = entry.kind === 'invalid' ? (entry.file?.fields ?? {}) : (login?.fields ?? entry.file.fields);
  const { state, reason, remedy } = standingOf(entry, login);
  return compact({
    name,
    channel: entry.place?.id ?? typeOf(fields) ?? 'unknown',
    label: login?.identity.label ?? textField(fields, 'email') ?? name,
    state,
    reason,
    remedy,
    expires_at: isoOf(login?.expiresAt),
    last_refresh: isoOf(instantOf(fields['last_refresh'])),
    last_error: login?.lastFailure,
    workspace: login?.identity.workspace,
    priority: numberField(fields, 'priority'),
    note: textField(fields, 'note'),
    duplicate_of: entry.kind === 'invalid' ? entry.duplicateOf : undefined,
    quota: login && login.quota.length > 0 ? login.quota.map(quotaView) : undefined,
    plan: login?.place.steps.plan?.(fields),
    not_entitled: excluded.length > 0 ? excluded.map(exclusionView) : undefined,
  });
}

/** How many there are of each channel in each state, for metrics. */
export function loginCounts(files: readonly Kept[]): readonly LoginCount[] {
  const byKind = Object.groupBy(
    files.map((kept) => viewOf(kept)),
    ({ channel, state }) => `${channel} ${state}`,
  );
  return Object.values(byKind).flatMap((those = []) =>
    those.slice(0, 1).map(({ channel, state }) => ({ channel, state, count: those.length })),
  );
}

function standingOf(
  entry: Kept['entry'],
  login: Kept['login'],
): Pick<LoginView, 'state'> & { reason: string | undefined; remedy: string | undefined } {
  if (entry.kind === 'invalid') return { state: 'invalid', reason: entry.reason, remedy: entry.remedy };
  const state = login?.state ?? { kind: 'ready' as const };
  if (state.kind === 'needs-login')
    return { state: 'needs_login', reason: state.reason, remedy: `Run \`${state.command}\`.` };
  if (state.kind === 'invalid') return { state: 'invalid', reason: state.reason, remedy: state.remedy };
  const remedy =
    state.kind === 'disabled' ? `Run \`cliproxyapi++ auth enable ${entry.file.file}\`.` : undefined;
  return { state: state.kind, reason: undefined, remedy };
}

/** A refusal, as operators read it. */
export const exclusionView = ({ model, message, untilMs }: Exclusion): ExclusionView =>
  compact({ model, message: clean(message), until: isoOf(untilMs) });

/** One window, as operators and metrics name it. */
export const quotaView = ({
  name,
  model,
  limit,
  remaining,
  remainingShare,
  resetsAt,
  source,
}: QuotaWindow): QuotaView =>
  compact({
    name,
    model,
    limit,
    remaining,
    remaining_share: remainingShare,
    resets_at: isoOf(resetsAt),
    source,
  });

const isoOf = (instant: number | undefined): string | undefined =>
  instant === undefined || !Number.isFinite(instant) ? undefined : new Date(instant).toISOString();
