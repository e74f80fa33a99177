import type { Kept } from './keeper.ts';
import { renewalKey } from './roster.ts';
import type { Found } from './store.ts';
import { viewOf } from './view.ts';

/** One thing that a look at the logins found. */
export interface Finding {
  /** A stable id, such as `AUTH-DUPLICATE`. */
  readonly id: string;
  readonly severity: 'warning' | 'failure';
  /** The file or folder it is about. */
  readonly where: string;
  readonly what: string;
  readonly remedy: string;
}

export interface Patient {
  readonly files: readonly Kept[];
  readonly found: Found;
  /** Logins that other programs on this machine hold: where, and what they are. */
  readonly local: readonly { readonly path: string; readonly fields: Readonly<Record<string, unknown>> }[];
  /** Milliseconds that a provider's clock is ahead of ours, by channel; empty when nobody was asked. */
  readonly skews: ReadonlyMap<string, number>;
  readonly now: number;
}

const soonMs = 24 * 3_600_000;
const skewMs = 30_000;

/** What is wrong with the logins, or will be: duplicates, shared tokens, modes, ends that are near, clocks. */
export function examine(patient: Patient): readonly Finding[] {
  return [
    ...patient.found.lax.map(({ path, command }) => ({
      id: 'AUTH-MODE',
      severity: 'warning' as const,
      where: path,
      what: 'others on this machine can read it',
      remedy: `Run \`${command}\`.`,
    })),
    ...patient.files.flatMap((kept) => [...standing(kept), ...ending(kept, patient.now)]),
    ...patient.local.flatMap((local) => shared(local, patient.files)),
    ...[...patient.skews].flatMap(([channel, ahead]) => skewed(channel, ahead)),
  ];
}

function standing(kept: Kept): readonly Finding[] {
  const view = viewOf(kept);
  if (view.state !== 'invalid' && view.state !== 'needs_login') return [];
  const duplicate = view.duplicate_of !== undefined;
  const id = duplicate ? 'AUTH-DUPLICATE' : view.state === 'invalid' ? 'AUTH-INVALID' : 'AUTH-NEEDS-LOGIN';
  return [
    {
      id,
      severity: duplicate ? 'warning' : 'failure',
      where: kept.name,
      what: view.reason ?? '',
      remedy: view.remedy ?? '',
    },
  ];
}

function ending({ name, login }: Kept, now: number): readonly Finding[] {
  const endsAt = login?.expiresAt;
  if (!login || login.state.kind !== 'ready' || endsAt === undefined || endsAt - now > soonMs) return [];
  if (login.place.steps.renew) return [];
  const hours = Math.max(0, Math.round((endsAt - now) / 3_600_000));
  return [
    {
      id: 'AUTH-ENDS-SOON',
      severity: 'warning',
      where: name,
      what: `its token ends in ${hours} h and cannot be renewed`,
      remedy: `Run \`cliproxyapi++ auth login ${login.channel}\` before that.`,
    },
  ];
}

/** Both programs renew the token, and the provider ends the login of whoever comes second. */
function shared({ path, fields }: Patient['local'][number], files: readonly Kept[]): readonly Finding[] {
  const key = renewalKey(fields);
  const holder = files.find(({ login }) => key !== undefined && login && renewalKey(login.fields) === key);
  if (!holder) return [];
  return [
    {
      id: 'AUTH-SHARED',
      severity: 'warning',
      where: holder.name,
      what: `${path} holds the same refresh token; the two programs will end each other's login`,
      remedy: `Sign in separately here: \`cliproxyapi++ auth login ${holder.login!.channel}\`.`,
    },
  ];
}

function skewed(channel: string, ahead: number): readonly Finding[] {
  if (Math.abs(ahead) < skewMs) return [];
  const seconds = Math.round(Math.abs(ahead) / 1000);
  return [
    {
      id: 'AUTH-CLOCK',
      severity: 'warning',
      where: channel,
      what: `the clock of this machine is ${seconds} s ${ahead > 0 ? 'behind' : 'ahead of'} the provider's`,
      remedy: 'Let the system set its clock: `timedatectl set-ntp true`.',
    },
  ];
}
