import { GatewayError } from '../../core/error.ts';
import type { Json } from '../../core/json.ts';
import type { DeclaredModel } from '../../core/model.ts';
import { cancelled } from '../../wire/watch.ts';
import { expiryOf, instantOf, numberField } from '../fields.ts';
import type { Identity, Login, LoginState } from '../login.ts';
import type { QuotaWindow } from '../quota.ts';
import { loginCommand, type Place, renewalKey, type UsableEntry } from './roster.ts';
import type { LoginFile } from './store.ts';
import type { Session } from '../steps.ts';

/** Who renews a login; see `renewals.ts`. */
export interface Renewer {
  /** @param force at once, whatever came of the last time. */
  renew(login: LiveLogin, force?: boolean): Promise<void>;
  openSession(login: LiveLogin): Promise<void>;
  /** The time of the login's provider. */
  now(login: LiveLogin): number;
  /** Our own time. */
  clock(): number;
}

/** A token that ends within this time may be dead when it arrives. */
const travelMs = 5_000;
/** What was renewed within this time and is refused is not mended by renewing it again. */
const freshMs = 10_000;

/** The keeper's side of a `Login`: the same, and what changes it. */
export class LiveLogin implements Login {
  readonly id: string;
  readonly place: Place;
  file: string;
  identity: Identity;
  fields: Json;
  /** The content of the file that `fields` are from. */
  version: string;
  disabled: boolean;
  entry: UsableEntry;
  session: Json | undefined;
  quota: readonly QuotaWindow[] = [];
  models: readonly DeclaredModel[] | undefined;
  /** Why the provider refuses it for good. */
  refusal: string | undefined;
  renewing = false;
  /** Renewed but not written, because the disk refuses. */
  unsaved: Json | undefined;
  /** Failures in a row, and when the next try is due, by our own clock. */
  failures = 0;
  notBefore = 0;
  lastFailure: string | undefined;
  /** Renewals in a row that did not move the expiry. */
  idle = 0;
  renewedAt: number | undefined;
  quotaReadAt = 0;
  modelsReadAt = 0;
  /** When a request wanted it last, by our own clock. */
  usedAt = 0;
  private removed = false;
  private sessionEndsAt = 0;
  private sessionOpenedAt = 0;
  private endsAt: number | undefined;
  private dueSince = Infinity;

  constructor(
    entry: UsableEntry,
    private readonly renewer: Renewer,
    /** From 0 to 1: spreads the renewals of many logins. */
    readonly jitter: number,
  ) {
    this.id = entry.id;
    this.place = entry.place;
    this.entry = entry;
    this.file = entry.file.file;
    this.identity = entry.identity;
    this.fields = entry.file.fields;
    this.version = entry.file.version;
    this.disabled = entry.kind === 'disabled';
    this.measure();
  }

  get channel(): string {
    return this.place.id;
  }

  get state(): LoginState {
    const command = loginCommand(this.place);
    if (this.removed)
      return { kind: 'invalid', reason: 'its file was removed', remedy: `Run \`${command}\`.` };
    if (this.disabled) return { kind: 'disabled' };
    if (this.refusal !== undefined) return { kind: 'needs-login', reason: this.refusal, command };
    if (this.renewing) return { kind: 'renewing' };
    if (this.isExpired() && !this.place.steps.renew)
      return { kind: 'needs-login', reason: 'its token has ended and cannot be renewed', command };
    return { kind: 'ready' };
  }

  /** When what is in the file ends, by the provider's clock; undefined: never. */
  get expiresAt(): number | undefined {
    return this.endsAt;
  }

  /** When it is to be renewed, by the provider's clock. */
  get dueAt(): number {
    const able = this.place.steps.renew && !this.removed && !this.disabled && this.refusal === undefined;
    return able ? this.dueSince : Infinity;
  }

  ready(signal: AbortSignal): Promise<void> | undefined {
    this.usedAt = this.renewer.clock();
    return this.readied(signal);
  }

  /** The same for the program's own questions, which are no use of it. */
  readied(signal: AbortSignal): Promise<void> | undefined {
    if (this.isUsable()) return undefined;
    return waited(this.makeReady(), signal);
  }

  async refused(fields: Json, session: Json | undefined): Promise<boolean> {
    const changed = fields !== this.fields || session !== this.session;
    if (changed) return succeeds(this.makeReady());
    if (session !== undefined) {
      const fresh = this.renewer.now(this) - this.sessionOpenedAt < freshMs;
      this.session = undefined;
      if (!fresh || !this.place.steps.renew) return succeeds(this.makeReady());
    }
    // While a renewal is being kept, what was sent is still the old token; whoever sent it joins.
    const justRenewed =
      !this.renewing && this.renewedAt !== undefined && this.renewer.now(this) - this.renewedAt < freshMs;
    if (!this.place.steps.renew || justRenewed || this.isBlocked()) return false;
    return succeeds(this.renewer.renew(this, true).then(() => this.makeReady()));
  }

  /** Takes over what the file says now; what was said of tokens that somebody else has replaced is forgotten. */
  adopt(file: LoginFile, foreign = false): void {
    if (foreign && renewalKey(file.fields) !== renewalKey(this.fields)) this.forget();
    this.file = file.file;
    this.fields = file.fields;
    this.version = file.version;
    this.unsaved = undefined;
    this.measure();
  }

  /** The same, for a file that somebody else wrote. */
  enter(entry: UsableEntry): void {
    this.entry = entry;
    this.identity = entry.identity;
    this.disabled = entry.kind === 'disabled';
    this.removed = false;
    if (entry.file.version === this.version && entry.file.file === this.file) return;
    if (!Bun.deepEquals(entry.file.fields, this.fields)) this.forget();
    this.adopt(entry.file);
  }

  /** What a renewal brought and the disk does not take. */
  hold(fields: Json): void {
    this.fields = fields;
    this.unsaved = fields;
    this.measure();
  }

  openedSession({ values, expiresAt }: Session): void {
    this.session = values;
    this.sessionEndsAt = expiresAt;
    this.sessionOpenedAt = this.renewer.now(this);
  }

  retire(): void {
    this.removed = true;
  }

  isExpired(): boolean {
    return this.endsAt !== undefined && this.endsAt <= this.renewer.now(this) + travelMs;
  }

  /** @throws GatewayError naming the command when only a person can help. */
  refuseBlocked(): void {
    const { state } = this;
    if (state.kind === 'needs-login') throw this.unauthorized(state.reason, `Run \`${state.command}\`.`);
    if (state.kind === 'invalid') throw this.unauthorized(state.reason, state.remedy);
    if (state.kind === 'disabled')
      throw this.unauthorized('it is disabled', `Run \`cliproxyapi++ auth enable ${this.file}\`.`);
  }

  /** What is said while the last failure is too fresh for another try. */
  notNow(): GatewayError {
    const retryAfterMs = Math.max(1_000, this.notBefore - this.renewer.clock());
    return new GatewayError(
      { kind: 'unavailable' },
      `The login ${this.identity.label} (${this.channel}) could not be renewed: ${this.lastFailure ?? 'it failed'}`,
      {
        remedy: `It is tried again in ${Math.ceil(retryAfterMs / 1000)} s.`,
        retryAfterMs,
        scope: 'credential',
      },
    );
  }

  private async makeReady(): Promise<void> {
    this.refuseBlocked();
    if (this.isExpired()) {
      await this.renewer.renew(this);
      this.refuseBlocked();
      if (this.isExpired()) throw this.notNow();
    }
    if (!this.hasSession()) await this.renewer.openSession(this);
  }

  private isUsable(): boolean {
    return !this.isBlocked() && !this.isExpired() && this.hasSession();
  }

  private isBlocked(): boolean {
    return this.removed || this.disabled || this.refusal !== undefined;
  }

  private hasSession(): boolean {
    if (!this.place.steps.session) return true;
    return this.session !== undefined && this.sessionEndsAt > this.renewer.now(this) + travelMs;
  }

  private unauthorized(reason: string, remedy: string): GatewayError {
    const message = `The login ${this.identity.label} (${this.channel}) cannot be used: ${reason}.`;
    return new GatewayError({ kind: 'upstream-unauthorized' }, message.replace(/\.\.$/, '.'), { remedy });
  }

  private forget(): void {
    this.refusal = undefined;
    this.failures = 0;
    this.idle = 0;
    this.notBefore = 0;
    this.lastFailure = undefined;
    this.session = undefined;
  }

  /** Reads from the fields when they end and when they are to be renewed. */
  private measure(): void {
    const { steps } = this.place;
    this.endsAt = steps.expiresAt ? steps.expiresAt(this.fields) : expiryOf(this.fields);
    const begunAt = instantOf(this.fields['last_refresh']) ?? this.renewedAt;
    const spread = steps.leadMs * (1 + 0.1 * this.jitter);
    // A token that lives shorter than the lead would be due again as soon as it is there.
    const half = begunAt === undefined || this.endsAt === undefined ? spread : (this.endsAt - begunAt) / 2;
    this.dueSince = this.endsAt === undefined ? Infinity : this.endsAt - Math.max(0, Math.min(spread, half));
    const every =
      numberField(this.fields, 'refresh_interval_seconds') ?? numberField(this.fields, 'refresh_interval');
    if (every !== undefined && every > 0 && begunAt !== undefined)
      this.dueSince = Math.min(this.dueSince, begunAt + every * 1000);
  }
}

/** The renewal goes on when the client leaves; only the waiting ends. */
function waited(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(cancelled());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const leave = () => reject(cancelled());
  signal.addEventListener('abort', leave, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  return promise;
}

const succeeds = (work: Promise<void>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );
