import { chmod } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { compact, type Json } from '../core/json.ts';
import { mask } from '../accounts/account.ts';
import type { Keeper, Kept } from '../accounts/logins/keeper.ts';
import { isSecretField } from '../accounts/logins/secrets.ts';
import { type LoginView, viewOf } from '../accounts/logins/view.ts';
import { expandPath, hereabouts } from '../config/places.ts';
import { isSecretName, looksSecret, maskUrl } from '../config/secrets.ts';
import { GatewayError } from '../core/error.ts';
import { writeAtomic } from '../state/write.ts';
import { type Options, UsageError } from './arguments.ts';
import { type AuthDesk, AuthFailure, keptNamed } from './auth-desk.ts';
import { print, printJson, table } from './print.ts';

/** `auth list`: every file with its state. `--live` asks the providers what is left. */
export async function authList(options: Options, desk: AuthDesk): Promise<number> {
  const { keeper, folder } = desk;
  if (options.live) await Promise.all(keeper.files.map(({ login }) => login && keeper.ask(login, true)));
  const views = keeper.files.map((kept) => viewOf(kept, excludedFor(kept, desk)));
  if (options.json) return printJson({ folder, logins: views });
  if (views.length === 0)
    return print(`There is no login in ${folder}. \`cliproxyapi++ auth login\` lists the channels.`);
  const rows = views.map((view) => [
    view.channel,
    view.label,
    view.state,
    endOf(view),
    quotaOf(view),
    view.name,
  ]);
  const remarks = views
    .filter(({ reason, state }) => reason !== undefined || state === 'disabled')
    .map(
      ({ name, reason, remedy }) =>
        `! ${name}: ${[reason, remedy].filter(Boolean).join('. ').replace('..', '.')}`,
    );
  const limits = views.flatMap(({ name, not_entitled: excluded = [] }) =>
    excluded.length === 0
      ? []
      : [`- ${name}: its plan leaves out ${excluded.map(({ model }) => model).join(', ')}.`],
  );
  return print(
    [table([['CHANNEL', 'LOGIN', 'STATE', 'EXPIRES', 'LEFT', 'FILE'], ...rows]), ...remarks, ...limits].join(
      '\n',
    ),
  );
}

/** What the gateway has learned of the plan of a login. */
const excludedFor = ({ login }: Kept, { entitlements }: AuthDesk) => (login ? entitlements.of(login.id) : []);

function endOf({ expires_at: end, state }: LoginView): string {
  if (state === 'invalid') return '-';
  return end === undefined ? 'never' : end.replace('T', ' ').slice(0, 16);
}

function quotaOf({ quota }: LoginView): string {
  const parts = (quota ?? []).map(({ name, remaining, limit, remaining_share: share }) => {
    if (share !== undefined) return `${name} ${Math.round(share * 100)} %`;
    return remaining === undefined ? name : `${name} ${remaining}${limit === undefined ? '' : `/${limit}`}`;
  });
  return parts.slice(0, 3).join(', ') || '-';
}

/** `auth show FILE`: everything in a file, with its secrets masked. `--live` asks the provider what is left. */
export async function authShow(word: string | undefined, options: Options, desk: AuthDesk): Promise<number> {
  const kept = keptNamed(word, desk.keeper);
  if (options.live && kept.login) await desk.keeper.ask(kept.login, true);
  const file = kept.entry.file;
  const models = kept.login?.models?.map(({ name }) => name);
  const shown = {
    ...viewOf(kept, excludedFor(kept, desk)),
    ...compact({ models }),
    fields: file ? masked(kept.login?.fields ?? file.fields) : {},
  };
  return options.json
    ? printJson(shown)
    : print(
        Object.entries(shown)
          .map(([name, value]) => line(name, value))
          .join('\n'),
      );
}

const line = (name: string, value: unknown): string =>
  `${name.padEnd(14)}  ${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}`;

/** Fields as anybody may see them. Names of other programs come in every spelling. */
function masked(value: unknown, name = ''): unknown {
  if (typeof value === 'string') return isSecret(name, value) ? mask(value) : maskUrl(value);
  if (Array.isArray(value)) return value.map((item) => masked(item, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, masked(child, key)]));
}

const isSecret = (name: string, value: string): boolean =>
  isSecretName(name) || looksSecret(value) || isSecretField(name) || name === 'device_id';

/** `auth refresh [FILE …]`: renews now; every login without a name. */
export async function authRefresh(
  words: readonly string[],
  options: Options,
  { keeper }: AuthDesk,
): Promise<number> {
  const chosen = words.length > 0 ? words.map((word) => keptNamed(word, keeper)) : keeper.files;
  const rows: { name: string; outcome: string; reason?: string }[] = [];
  for (const { name, login } of chosen) {
    if (!login || (words.length === 0 && (login.disabled || !login.place.steps.renew))) continue;
    try {
      await keeper.renew(login);
      rows.push({ name, outcome: 'renewed' });
    } catch (thrown) {
      rows.push({
        name,
        outcome: 'failed',
        reason: thrown instanceof GatewayError ? thrown.advice : String(thrown),
      });
    }
  }
  if (options.json) printJson({ logins: rows });
  else
    print(
      rows.length === 0
        ? 'There is nothing to renew.'
        : rows.map(({ name, outcome, reason = '' }) => `${outcome}  ${name} ${reason}`.trimEnd()).join('\n'),
    );
  return rows.some(({ outcome }) => outcome === 'failed') ? 1 : 0;
}

/** `auth disable|enable FILE`. */
export async function authSwitch(
  word: string | undefined,
  disabled: boolean,
  { keeper }: AuthDesk,
): Promise<number> {
  const { name } = keptNamed(word, keeper);
  const patched = await keeper.patch(name, (fields) => ({ ...fields, disabled }));
  if (patched.kind === 'gone' || patched.kind === 'refused')
    throw new AuthFailure(
      `${name} could not be written: ${patched.kind === 'gone' ? 'it is gone' : patched.reason}.`,
    );
  return print(
    `${name} is ${disabled ? 'disabled' : 'enabled'}; a gateway that runs takes that over at once.`,
  );
}

/** `auth remove FILE`. The provider is not told; signing out there is for its own pages. */
export async function authRemove(
  word: string | undefined,
  options: Options,
  desk: AuthDesk,
): Promise<number> {
  const { name } = keptNamed(word, desk.keeper);
  await confirmed(`Remove ${name}? A refresh token in it cannot be had again.`, options);
  if (!(await desk.keeper.remove(name)))
    throw new AuthFailure(`${name} could not be removed from ${desk.folder}.`);
  return print(`${name} is removed.`);
}

/** `auth export FILE [TARGET]`: the file with its secrets, for its owner alone. */
export async function authExport(
  words: readonly string[],
  options: Options,
  desk: AuthDesk,
): Promise<number> {
  const { name, entry } = keptNamed(words[0], desk.keeper);
  if (!entry.file) throw new AuthFailure(`${name} cannot be read.`);
  const target = words[1];
  if (target === undefined) throw new UsageError('Name the file to write: `auth export FILE TARGET`.');
  await confirmed(`${name} holds secrets. Write them to ${target}?`, options);
  const here = hereabouts();
  const path = expandPath(target, here.cwd, here);
  const written = await writeAtomic(path, `${JSON.stringify(entry.file.fields satisfies Json, null, 2)}\n`);
  if (!written.persisted) throw new AuthFailure(`${path} could not be written: ${written.reason}.`);
  await chmod(path, 0o600);
  return print(
    `${path} holds the login now. Two places that renew one login end each other: remove it here when it moves.`,
  );
}

/** Asks a person; a program says --yes. @throws AuthFailure when the answer is no. */
async function confirmed(question: string, { yes }: Options): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw new AuthFailure(`${question} Say --yes to do it without being asked.`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new AuthFailure('Nothing was done.');
}

/** The channels that have logins, for whoever looks at their providers. */
export const channelsWithLogins = ({ files }: Keeper) => [
  ...new Map(files.flatMap(({ login }) => (login ? [[login.channel, login] as const] : []))).values(),
];
