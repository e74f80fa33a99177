import { timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../../core/error.ts';
import { compact, type Json } from '../../core/json.ts';
import { clean } from '../../telemetry/redact.ts';
import { parseProxy, type Proxy } from '../../wire/proxy.ts';
import { LoginRefused } from '../login.ts';
import { type Listener, listeners } from './loopback.ts';
import type { Place } from './roster.ts';
import type { Saved } from './save.ts';
import type { Answers, BrowserWay, DevicePrompt, DeviceWay, Net, Way } from '../steps.ts';

/** Somebody who is signing in. */
export interface SignIn {
  /** Names it: random, single use, good for ten minutes. It is the `state` of OAuth. */
  readonly state: string;
  readonly place: Place;
  readonly way: Way;
  /** What to open; '' where nothing is opened. */
  readonly url: string;
  /** What to type there, for a device. */
  readonly userCode?: string;
  /** Where the provider sends the browser, for a browser. */
  readonly redirectUri?: string;
  /** Why nobody listens there: the URL must be pasted. */
  readonly deaf?: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly status: SignInStatus;
  /** Rejects with the reason when it fails. */
  readonly done: Promise<Saved>;
}

export type SignInStatus =
  | { readonly kind: 'waiting' }
  /** The provider has answered, and the code is being exchanged. */
  | { readonly kind: 'exchanging' }
  | { readonly kind: 'done'; readonly saved: Saved }
  | { readonly kind: 'failed'; readonly reason: string };

/** How a return of a browser was received. */
export type Returned =
  | { readonly kind: 'taken'; readonly signIn: SignIn }
  /** `unknown` may be expired as well; `used` has returned before. */
  | {
      readonly kind: 'refused';
      readonly why: 'no-state' | 'no-code' | 'unknown' | 'used' | 'other-provider';
    };

/** Everybody who is signing in. */
export interface SignIns {
  /** @throws GatewayError when the provider cannot be asked, or an answer is missing. */
  begin(place: Place, way: Way, options?: BeginOptions): Promise<SignIn>;
  find(state: string): SignIn | undefined;
  /**
   * A browser, or a person who pasted its URL, came back with these parameters. It is taken once.
   * @param channel where the return itself says whose it is.
   */
  returned(parameters: Readonly<Record<string, string>>, channel?: string): Returned;
  /** Returns whether there was one to end. */
  cancel(state: string): boolean;
  /** Ends everybody's, and resolves when no browser waits for a page any more. */
  close(): Promise<void>;
}

export interface BeginOptions {
  readonly answers?: Answers;
  /** The port to be sent back to, where the way's own is not wanted. */
  readonly port?: number;
  /** False: nobody listens, the URL is pasted or comes to another server. */
  readonly listen?: boolean;
  /** The proxy for everything that the new login does, signing in included; it is written into its file. */
  readonly proxyUrl?: string;
}

export interface SignInDesk {
  /** The way to a channel's provider. @param proxy that of the login, where it has one of its own. */
  net(place: Place, signal: AbortSignal, proxy?: Proxy): Net;
  /** Keeps the fields of a new login. */
  keep(place: Place, fields: Json): Promise<Saved>;
  readonly now?: () => number;
}

const lifeMs = 600_000;
/** A browser that does not fetch its page is not waited for. */
const longestPageMs = 1_000;
/** More at a time are a mistake, or somebody else's game. */
const mostPending = 64;

interface Pending extends SignIn {
  status: SignInStatus;
  readonly abort: AbortController;
  readonly verifier: string;
  readonly answers: Answers;
  readonly proxyUrl: string | undefined;
  memo: Json | undefined;
  readonly settle: PromiseWithResolvers<Saved>;
  listener: Listener | undefined;
}

export function createSignIns({ net: reach, keep, now = Date.now }: SignInDesk): SignIns {
  const pending = new Map<string, Pending>();
  const leaving = new Set<Promise<void>>();
  const open = listeners((parameters) => returned(parameters));

  async function begin(place: Place, way: Way, options: BeginOptions = {}): Promise<SignIn> {
    sweep();
    if (pending.size >= mostPending) throw tooMany();
    const answers = answered(way, options.answers ?? {});
    const proxyUrl = options.proxyUrl?.trim() || undefined;
    if (proxyUrl !== undefined) parseProxy(proxyUrl);
    const abort = new AbortController();
    const base = {
      state: randomText(),
      place,
      way,
      verifier: randomText(),
      answers,
      proxyUrl,
      abort,
      status: { kind: 'waiting' } as const,
      memo: undefined,
      listener: undefined,
      settle: Promise.withResolvers<Saved>(),
    };
    base.settle.promise.catch(() => {});
    const common = { ...base, done: base.settle.promise, expiresAt: now() + lifeMs };
    if (way.kind === 'browser') return beginBrowser(way, common, options);
    if (way.kind === 'device') return beginDevice(way, common);
    const signIn: Pending = { ...common, url: '' };
    pending.set(signIn.state, signIn);
    void finish(signIn, () => way.finish(net(signIn), answers));
    return signIn;
  }

  const net = ({ place, abort, proxyUrl }: Pick<Pending, 'place' | 'abort' | 'proxyUrl'>): Net =>
    reach(place, abort.signal, proxyUrl === undefined ? undefined : parseProxy(proxyUrl));

  async function beginBrowser(
    way: BrowserWay,
    common: Omit<Pending, 'url'>,
    { port = way.redirect.port, listen = true }: BeginOptions,
  ): Promise<SignIn> {
    const listener = listen || port === 0 ? open(port) : undefined;
    const { host, path } = way.redirect;
    const redirectUri = `http://${host}:${listener?.port ?? port}${path}`;
    const challenge = new Bun.CryptoHasher('sha256').update(common.verifier).digest('base64url');
    try {
      const ticket = { state: common.state, challenge, redirectUri };
      const { url, memo } = await way.begin(ticket, net(common), common.answers);
      refuseUnopenable(url);
      const deaf = listener?.refused;
      const signIn: Pending = {
        ...common,
        url,
        redirectUri,
        memo,
        listener,
        ...(deaf === undefined ? {} : { deaf }),
      };
      pending.set(signIn.state, signIn);
      expire(signIn);
      return signIn;
    } catch (thrown) {
      void listener?.close();
      throw thrown;
    }
  }

  async function beginDevice(way: DeviceWay, common: Omit<Pending, 'url'>): Promise<SignIn> {
    const prompt = await way.begin(net(common), common.answers);
    const url = prompt.completeUrl ?? prompt.url;
    refuseUnopenable(url);
    const signIn: Pending = {
      ...common,
      url,
      userCode: prompt.userCode,
      expiresAt: prompt.expiresAt,
    };
    pending.set(signIn.state, signIn);
    const { sleep } = net(common);
    void finish(signIn, () => polled(prompt, sleep, now));
    return signIn;
  }

  function returned(parameters: Readonly<Record<string, string>>, channel?: string): Returned {
    sweep();
    const { state = '', code = '', error = '' } = parameters;
    if (state === '') return { kind: 'refused', why: 'no-state' };
    const signIn = held(state);
    if (!signIn || signIn.way.kind !== 'browser') return { kind: 'refused', why: 'unknown' };
    if (channel !== undefined && channel !== signIn.place.id)
      return { kind: 'refused', why: 'other-provider' };
    if (signIn.status.kind !== 'waiting') return { kind: 'refused', why: 'used' };
    if (code === '' && error === '') return { kind: 'refused', why: 'no-code' };
    signIn.status = { kind: 'exchanging' };
    const { way, memo, verifier, redirectUri = '', answers } = signIn;
    void finish(signIn, () => {
      if (error !== '') throw new LoginRefused(saidNo(error, parameters['error_description']));
      const whole = { code, verifier, redirectUri, memo, parameters };
      return way.finish(whole, net(signIn), answers);
    });
    return { kind: 'taken', signIn };
  }

  /** Makes the fields and keeps them; whatever comes of it is the end of this sign-in. */
  async function finish(signIn: Pending, fields: () => Promise<Json>): Promise<void> {
    try {
      const { place, proxyUrl } = signIn;
      const saved = await keep(place, compact({ ...(await fields()), proxy_url: proxyUrl }));
      signIn.status = { kind: 'done', saved };
      signIn.settle.resolve(saved);
    } catch (thrown) {
      fail(signIn, thrown);
    } finally {
      leave(signIn);
    }
  }

  function leave({ listener }: Pending): void {
    const left = listener?.close();
    if (!left) return;
    leaving.add(left);
    void left.finally(() => leaving.delete(left));
  }

  function fail(signIn: Pending, thrown: unknown): void {
    const reason = clean(
      thrown instanceof GatewayError ? thrown.advice : String((thrown as Error)?.message ?? thrown),
    );
    signIn.status = { kind: 'failed', reason };
    signIn.settle.reject(thrown instanceof GatewayError ? thrown : new LoginRefused(reason));
  }

  /** Every state is compared, each in constant time. */
  function held(state: string): Pending | undefined {
    let found: Pending | undefined;
    for (const signIn of pending.values()) if (isSame(signIn.state, state)) found = signIn;
    return found;
  }

  function expire(signIn: Pending): void {
    const timer = setTimeout(() => end(signIn, 'nobody came back within ten minutes'), lifeMs);
    timer.unref();
    signIn.settle.promise.finally(() => clearTimeout(timer)).catch(() => {});
  }

  /** A sign-in that is over can be asked about for as long as it could have lasted. */
  function sweep(): void {
    for (const [state, signIn] of pending) {
      if (now() <= signIn.expiresAt) continue;
      pending.delete(state);
      end(signIn, 'its time is over');
    }
  }

  function end(signIn: Pending, reason: string): void {
    if (signIn.status.kind === 'done' || signIn.status.kind === 'failed') return;
    fail(signIn, new LoginRefused(reason));
    signIn.abort.abort(new LoginRefused(reason));
    leave(signIn);
  }

  return {
    begin,
    find(state) {
      sweep();
      return held(state);
    },
    returned,
    cancel(state) {
      const signIn = held(state);
      if (!signIn) return false;
      end(signIn, 'it was called off');
      return pending.delete(signIn.state);
    },
    async close() {
      for (const signIn of pending.values()) end(signIn, 'the program stops');
      pending.clear();
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, longestPageMs);
      await Promise.race([Promise.all(leaving), late]);
      clearTimeout(timer);
    },
  };
}

/** What a person is told to open may be a provider's word: it is a web page, or it is not passed on. */
function refuseUnopenable(url: string): void {
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return;
  throw new GatewayError(
    { kind: 'bad-upstream-data' },
    'The address that the provider wants to be opened is no web page.',
  );
}

/** Asks again and again until the person has agreed or declined. A provider that fails for a moment is asked again. */
async function polled(prompt: DevicePrompt, sleep: Net['sleep'], now: () => number): Promise<Json> {
  for (let intervalMs = prompt.intervalMs; ;) {
    await sleep(intervalMs);
    if (now() > prompt.expiresAt) throw new LoginRefused('The code has expired before anybody typed it.');
    const said = await prompt.poll().catch((thrown: unknown) => {
      if (mayPass(thrown)) return 'pending' as const;
      throw thrown;
    });
    if (said === 'slow-down') intervalMs += 5_000;
    if (typeof said === 'object') return said.fields;
  }
}

function mayPass(thrown: unknown): boolean {
  if (!(thrown instanceof GatewayError)) return false;
  const { fault } = thrown;
  return fault.kind === 'upstream-failed' ? fault.status >= 500 : fault.kind === 'transport';
}

/** The answers with fallbacks filled in. @throws GatewayError naming the one that is missing or wrong. */
function answered(way: Way, given: Answers): Answers {
  const answers: Record<string, string> = {};
  for (const { name, fallback, check, question } of way.asks ?? []) {
    const value = given[name]?.trim() || fallback;
    if (value === undefined) throw missing(name, `${question} is needed`);
    const wrong = check?.(value);
    if (wrong !== undefined) throw missing(name, `${question} is wrong: ${wrong}`);
    answers[name] = value;
  }
  return answers;
}

const missing = (field: string, sentence: string) =>
  new GatewayError({ kind: 'invalid-request', field }, `${sentence}.`, { remedy: `Give it as ${field}.` });

const tooMany = () =>
  new GatewayError({ kind: 'rate-limited' }, 'Too many people are signing in at a time.', {
    remedy: 'Finish or cancel one, or wait ten minutes.',
  });

const saidNo = (error: string, description = '') =>
  `The provider said no: ${clean(description === '' ? error : `${error}, ${description}`).slice(0, 300)}`;

const randomText = () => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The parameters of a URL that a person pasted from the browser's address bar; of its query or its fragment. */
export function parametersOf(pasted: string): Readonly<Record<string, string>> {
  const text = pasted.trim();
  const question = text.search(/[?#]/);
  return Object.fromEntries(new URLSearchParams(question < 0 ? text : text.slice(question + 1)));
}
