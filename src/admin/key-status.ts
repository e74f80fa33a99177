import { accountId } from '../accounts/account.ts';
import type { Connection } from '../channels/channel.ts';
import type { Config } from '../config/schema.ts';
import { type Json, readArray, readObjects } from '../core/json.ts';
import { editConfig } from './config-edit.ts';
import type { AdminHall } from './hall.ts';

/** An entry of the config that offers nothing is out of use, as the reference writes it. */
const everything = '*';

/**
 * Takes the key of an entry out of use, or back, by excluding all of its models in config.yaml. Keys that share an entry go
 * together, and the answer names them.
 * @param index the id of its account, as models/explain tells it.
 * @returns undefined when no entry has such a key.
 */
export async function switchKey(
  { steward }: AdminHall,
  index: string,
  disabled: boolean,
): Promise<Json | undefined> {
  const connection = steward.current.connections.find(({ accounts }) =>
    accounts.some(({ id, secret }) => id === index && secret.kind !== 'login'),
  );
  const place = connection && entryOf(connection, steward.current.config);
  if (!connection || !place) return undefined;
  const [key, at] = place;
  const patterns = () => {
    const entry = entriesIn(steward.current.config, key)[at] ?? {};
    const others = (readArray(entry['excluded-models']) ?? []).filter((pattern) => pattern !== everything);
    const wanted = disabled ? [...others, everything] : others;
    return wanted.length > 0 ? wanted : undefined;
  };
  const edited = await editConfig(steward, [key, at, 'excluded-models'], patterns);
  return {
    ...edited,
    disabled,
    via: 'config:excluded-models',
    excluded_pattern: everything,
    credentials: connection.accounts.map(({ label }) => label),
  };
}

/** The list and the place in it that a connection is made of; its id ends in a hash of the entry. */
function entryOf({ id }: Connection, config: Config): readonly [key: string, at: number] | undefined {
  const [key = '', ...rest] = id.split(':');
  const at = entriesIn(config, key).findIndex((entry) => accountId(JSON.stringify(entry)) === rest.at(-1));
  return at < 0 ? undefined : [key, at];
}

const entriesIn = (config: Config, key: string): readonly Json[] => readObjects((config as Json)[key]);
