import { fieldOf, textField } from '../accounts/fields.ts';
import type { Login } from '../accounts/login.ts';
import type { LoginSettings } from '../accounts/logins/renewals.ts';
import type { Place } from '../accounts/logins/roster.ts';
import { type FailureRule, failureRules, failureRulesIn } from '../accounts/rules.ts';
import type { Channel, Connection, ModelAlias, Tools } from '../channels/channel.ts';
import { patternsOf, prefixOf } from '../channels/entry.ts';
import type { LoginNaming } from '../channels/login.ts';
import { GatewayError } from '../core/error.ts';
import { compact, readArray, readBoolean, readObjects, readString } from '../core/json.ts';
import { parseProxy } from '../wire/proxy.ts';
import { type Environment, firstSet } from './environment.ts';
import type { Config } from './schema.ts';

/** The channels that people sign in to. */
export const placesOf = (channels: readonly Channel[]): readonly Place[] =>
  channels.flatMap(({ id, logins }) => (logins ? [{ id, steps: logins }] : []));

/** What a config says of logins, for whoever keeps them. */
export function loginSettings(config: Config, environment: Environment): LoginSettings {
  return {
    proxy: parseProxy(config['proxy-url']),
    workers: config['auth-auto-refresh-workers'] || 16,
    endpoints: (place) => endpointsOf(place, config),
    client: (place) => clientOf(place, config, environment),
  };
}

/** What a table of the config holds for a channel, by its id or by a type of its files, in any case. */
function entryFor<T>(table: Readonly<Record<string, T>>, { id, steps }: Place): T | undefined {
  const names = [id, ...steps.types].map((name) => name.toLowerCase());
  const key = Object.keys(table).find((candidate) => names.includes(candidate.trim().toLowerCase()));
  return key === undefined ? undefined : table[key];
}

function endpointsOf(place: Place, config: Config): Readonly<Record<string, string>> {
  const upstream = entryFor(config['oauth-upstream'], place)?.trim();
  const merged = {
    ...place.steps.endpoints,
    ...(upstream ? { api: upstream } : {}),
    ...entryFor(config['oauth-endpoints'], place),
  };
  return Object.fromEntries(
    Object.entries(merged).map(([name, address]) => [name, address.trim().replace(/\/+$/, '')]),
  );
}

function clientOf({ id, steps }: Place, config: Config, environment: Environment) {
  const own = entryFor(config['oauth-clients'], { id, steps });
  const names = steps.client?.environment;
  const found = (names: readonly string[] | undefined) => names && firstSet(environment, names);
  return compact({
    id: own?.['client-id'] || found(names?.id) || steps.client?.id,
    secret: own?.['client-secret'] || found(names?.secret),
  });
}

/**
 * Opens every login with its channel. One that cannot be opened is told of and left out: its file is not the config's
 * fault.
 */
export function openLogins(
  channels: readonly Channel[],
  logins: readonly Login[],
  config: Config,
  tools: Tools,
): readonly Connection[] {
  return logins.flatMap((login) => {
    const channel = channels.find(({ id }) => id === login.channel);
    if (!channel?.logins) return [];
    const place = { id: channel.id, steps: channel.logins };
    const said = toolsFor(login, tools);
    try {
      const naming = namingOf(login, place, config, said);
      const open = { ...said, endpoints: endpointsOf(place, config), naming };
      return [ruled(channel.logins.open(login, open), rulesOf(login, place, config, said))];
    } catch (thrown) {
      if (!(thrown instanceof GatewayError)) throw thrown;
      tools.warn('', `${login.file} in the auth folder is not used: ${thrown.message}`);
      return [];
    }
  });
}

function toolsFor(login: Login, tools: Tools): Tools {
  return {
    ...tools,
    refuse(path, expected) {
      throw new GatewayError({ kind: 'invalid-request', field: path }, `${path} should be ${expected}`);
    },
    warn: (path, message) => tools.warn('', `${login.file} in the auth folder: ${path} ${message}`),
  };
}

/** What errors mean for a login: what its file says comes before what the config says. */
const rulesOf = ({ fields }: Login, place: Place, config: Config, tools: Tools): readonly FailureRule[] => [
  ...failureRulesIn(fieldOf(fields, 'request_scoped_errors'), (path, expected) =>
    tools.refuse(`request_scoped_errors${path}`, expected),
  ),
  ...failureRules(entryFor(config['oauth-request-scoped-errors'], place), () => {}),
];

const ruled = (connection: Connection, rules: readonly FailureRule[]): Connection =>
  rules.length === 0
    ? connection
    : {
        ...connection,
        accounts: connection.accounts.map((account) => ({ ...account, failureRules: rules })),
      };

/** The names of a login's models: what its file says comes before what the config says. */
function namingOf(login: Login, place: Place, config: Config, tools: Tools): LoginNaming {
  const { fields } = login;
  const excluded = (readArray(fieldOf(fields, 'excluded_models')) ?? []).filter(
    (pattern) => typeof pattern === 'string',
  );
  const prefix = prefixOf(textField(fields, 'prefix'), 'prefix', tools);
  const configured = entryFor(config['oauth-model-alias'], place);
  // Absent where nobody named any, so that a channel may have aliases of its own; an empty list has none.
  const renamed = configured !== undefined || fieldOf(fields, 'model_aliases') !== undefined;
  return {
    declared: [],
    ...(login.models ? { discovered: login.models } : {}),
    ...(renamed ? { aliases: aliasesOf(login, configured) } : {}),
    ...(prefix === undefined ? {} : { prefix }),
    excluded: patternsOf([...excluded, ...(entryFor(config['oauth-excluded-models'], place) ?? [])]),
  };
}

function aliasesOf(
  { fields }: Login,
  configured: readonly Readonly<Record<string, unknown>>[] | undefined,
): readonly ModelAlias[] {
  const aliases = new Map<string, ModelAlias>();
  for (const entry of [...readObjects(fieldOf(fields, 'model_aliases')), ...(configured ?? [])]) {
    const name = readString(entry['name'])?.trim();
    const alias = readString(entry['alias'])?.trim();
    if (!name || !alias || aliases.has(alias.toLowerCase())) continue;
    aliases.set(
      alias.toLowerCase(),
      compact({
        name,
        alias,
        displayName: readString(fieldOf(entry, 'display_name')) || undefined,
        fork: readBoolean(entry['fork']) || undefined,
        forceMapping: readBoolean(fieldOf(entry, 'force_mapping')) || undefined,
      }),
    );
  }
  return [...aliases.values()];
}
