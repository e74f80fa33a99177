import type { Account } from '../account.ts';
import type { Option, SeatStandings } from './lineup.ts';
import type { Policy } from '../policy.ts';
import { recall, type RestStore } from './rest-store.ts';
import { Standing } from './standing.ts';

/** What is known of one account. */
interface Ledger {
  readonly credential: Standing;
  readonly models: Map<string, Standing>;
}

/** Clients can name models freely where an entry takes any name, so that many of an account are remembered. */
const mostModels = 2_000;

/** Every standing, by what it is of. */
export class Standings {
  private readonly ledgers = new Map<string, Ledger>();
  /** Hosts, providers, and the limits of providers. */
  private readonly places = new Map<string, Standing>();

  constructor(
    private readonly store: RestStore | undefined,
    private readonly now: () => number,
  ) {}

  /** Everything that can stand in an option's way. */
  of({ account, model: name }: Option, policy: Policy): SeatStandings {
    const ledger = this.ledgers.get(account.id) ?? this.open(account);
    const { credential } = ledger;
    credential.limits = account.limits;
    const keys = placesOf(account);
    const host = this.place('host', keys.host);
    const provider = this.place('provider', keys.provider);
    const model = this.model(ledger, name);
    const limits = policy.providerLimits.get(account.provider);
    const whole = limits && this.place('limits', keys.limits);
    if (whole !== undefined) whole.limits = limits;
    return { key: model.key, host, provider, credential, model, whole };
  }

  /** That of an account, or of one model of it. */
  one(account: Account, model?: string): Standing {
    const ledger = this.ledgers.get(account.id) ?? this.open(account);
    return model === undefined ? ledger.credential : this.model(ledger, model);
  }

  /** Everything that can stand in an option's way and is known already; nothing comes into being. */
  known({ account, model }: Option): Partial<Record<Standing['sphere'], Standing>> {
    const keys = placesOf(account);
    const ledger = this.ledgers.get(account.id);
    const found = [
      this.places.get(keys.host),
      this.places.get(keys.provider),
      this.places.get(keys.limits),
      ledger?.credential,
      ledger?.models.get(model),
    ];
    return Object.fromEntries(found.flatMap((standing) => (standing ? [[standing.sphere, standing]] : [])));
  }

  /** Those of one account. */
  *under(accountId: string): Iterable<Standing> {
    const ledger = this.ledgers.get(accountId);
    if (!ledger) return;
    yield ledger.credential;
    yield* ledger.models.values();
  }

  *all(): Iterable<Standing> {
    yield* this.places.values();
    for (const id of this.ledgers.keys()) yield* this.under(id);
  }

  /** Forgets the accounts that are not among these, and what was kept of them. */
  keep(ids: ReadonlySet<string>): void {
    for (const [id, { credential }] of this.ledgers) {
      if (ids.has(id) || credential.inFlight > 0) continue;
      for (const { key } of this.under(id)) this.store?.delete(key);
      this.ledgers.delete(id);
    }
  }

  private open({ id }: Account): Ledger {
    const ledger = { credential: this.recalled(new Standing('credential', id)), models: new Map() };
    this.ledgers.set(id, ledger);
    return ledger;
  }

  private model({ credential, models }: Ledger, name: string): Standing {
    let standing = models.get(name);
    if (standing !== undefined) return standing;
    if (models.size >= mostModels)
      for (const [old, { rest, inFlight }] of models) if (!rest && inFlight === 0) models.delete(old);
    standing = this.recalled(new Standing('model', `${credential.key}\0${name}`));
    models.set(name, standing);
    return standing;
  }

  private place(sphere: 'host' | 'provider' | 'limits', key: string): Standing {
    let standing = this.places.get(key);
    if (standing === undefined) this.places.set(key, (standing = new Standing(sphere, key)));
    return standing;
  }

  private recalled(standing: Standing): Standing {
    standing.rest = recall(this.store, standing, this.now());
    return standing;
  }
}

/** Credentials of one provider at one host share its trouble, and those that go the same way share that. */
function placesOf({ provider, host = provider, proxy }: Account) {
  const way = typeof proxy === 'string' ? proxy : proxy.url;
  return {
    host: `host\0${host}\0${way}`,
    provider: `provider\0${provider}\0${host}`,
    limits: `limits\0${provider}`,
  };
}
