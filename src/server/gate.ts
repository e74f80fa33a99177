import type { Runtime } from '../config/runtime.ts';
import { GatewayError } from '../core/error.ts';
import { isLoopbackHost, namesForeignHost } from './address.ts';
import { allowedOrigin } from './cors.ts';
import { isGemini } from './paths.ts';

/** Whose request this is. */
export interface Admission {
  /** The label of the client's key; '' when no keys are configured. */
  readonly label: string;
  /** The sha-256 of the client's key, by which its holder's own things are kept apart; '' when no keys are configured. */
  readonly tenant: string;
  /** The headers that carried a key of ours; they must not travel on. */
  readonly carriers: readonly string[];
}

interface Presented {
  /** Where it stood: a header's name, or `?key=`. */
  readonly where: string;
  readonly value: string;
}

const keyHeaders = ['authorization', 'x-goog-api-key', 'x-api-key'] as const;

/** Query parameters that clients put keys into. Only `key` is read, and only on Gemini routes; none travels on. */
const keyParameters = ['key', 'auth_token', 'api_key'] as const;

const nobody: Admission = { label: '', tenant: '', carriers: [] };

/**
 * Lets a client in: any one presented key that is configured is enough. `query` is given on requests that have one.
 * Keys are looked up by the sha-256 of what was presented. The keys are random and long, so how far such a lookup gets
 * before it fails tells nothing about a key: it is as good as a comparison in constant time.
 * @throws GatewayError `unauthorized`, or `forbidden` when no keys are configured and a web page of somebody else asks.
 */
export function admit(headers: Headers, runtime: Runtime, path: string, query?: URLSearchParams): Admission {
  if (runtime.clientKeys.size === 0) {
    refuseForeignPages(headers, runtime);
    return nobody;
  }
  let admission: Admitted | undefined;
  for (const name of keyHeaders) {
    const known = admitted(runtime, presentedIn(headers, name));
    admission ??= known;
    if (known) admission?.carriers.push(name);
  }
  admission ??= query && isGemini(path) ? admitted(runtime, query.get('key')?.trim()) : undefined;
  if (admission === undefined) throw unauthorized(presentedKeys(headers, path, query), hasKey(query));
  return admission;
}

interface Admitted extends Admission {
  readonly carriers: string[];
}

function admitted(runtime: Runtime, value: string | undefined): Admitted | undefined {
  if (!value) return undefined;
  const tenant = Bun.SHA256.hash(value, 'hex');
  const label = runtime.clientKeys.get(tenant);
  return label === undefined ? undefined : { label, tenant, carriers: [] };
}

/** Removes from a query whatever may be a client's key, before anybody else sees it. */
export function removeKeys(query: URLSearchParams): void {
  for (const name of keyParameters) query.delete(name);
}

const hasKey = (query: URLSearchParams | undefined) =>
  query !== undefined && keyParameters.some((name) => query.has(name));

const bearer = /^bearer(\s|$)/i;

/** The value a header presents as a key: the token of `Bearer …`, or all of it, because many clients send the bare key. */
function presentedIn(headers: Headers, name: (typeof keyHeaders)[number]): string | undefined {
  const value = headers.get(name)?.trim();
  if (!value || name !== 'authorization') return value;
  return bearer.test(value) ? value.slice(6).trim() : value;
}

/** Every value that was presented as a key, for the one who has to find out why none was good. */
function presentedKeys(
  headers: Headers,
  path: string,
  query: URLSearchParams | undefined,
): readonly Presented[] {
  const inHeaders = keyHeaders.map((where) => ({ where, value: presentedIn(headers, where) ?? '' }));
  const inQuery = { where: '?key=', value: (isGemini(path) && query?.get('key')?.trim()) || '' };
  return [...inHeaders, inQuery].filter(({ value }) => value !== '');
}

function unauthorized(presented: readonly Presented[], keyInQuery: boolean): GatewayError {
  const [first] = presented;
  if (!first) {
    const ignored = keyInQuery ? ' A key in the query is read on /v1beta routes only.' : '';
    return new GatewayError({ kind: 'unauthorized' }, `No client key was sent.${ignored}`, {
      remedy:
        'Send one of the keys under `api-keys` of the config file as `Authorization: Bearer <key>`, `x-api-key` or `x-goog-api-key`.',
    });
  }
  const received = presented.map(({ where, value }) => `${mask(value)} in ${where}`).join(', ');
  return new GatewayError({ kind: 'unauthorized' }, `The client key is unknown (received ${received}).`, {
    remedy: remedyFor(first.value),
  });
}

function remedyFor(value: string): string {
  if (/^<.*>$|^your-|^sk-your/i.test(value))
    return 'This is a placeholder: put one of the keys under `api-keys` of the config file in its place.';
  if (/^["'`]|["'`]$|\s/.test(value))
    return 'The value holds a quote or a space: send the bare key, as it stands under `api-keys` of the config file.';
  return 'Send one of the keys under `api-keys` of the config file; a key added there works at once, without a restart.';
}

/** Enough of a value to tell which one it was, never enough to use it. */
export function mask(value: string): string {
  const visible = value.replaceAll(/[^\x21-\x7e]/g, '?');
  if (visible.length >= 16) return `${visible.slice(0, 4)}...${visible.slice(-4)}`;
  return `${visible.slice(0, 2)}... (${visible.length} characters)`;
}

/**
 * Without keys the gateway listens on loopback only, and then a browser on this machine is the one way in for
 * strangers: any page may post to it, or reach it under a name of its own through DNS rebinding.
 */
function refuseForeignPages(headers: Headers, runtime: Runtime): void {
  const origin = headers.get('origin');
  const foreignOrigin = origin !== null && !isLoopbackOrigin(origin) && !allowedOrigin(headers, runtime);
  if (!foreignOrigin && !namesForeignHost(headers)) return;
  throw new GatewayError(
    { kind: 'forbidden', code: 'foreign_origin' },
    'No client keys are configured, so only programs and pages of this machine are served.',
    { remedy: 'Put a key under `api-keys` of the config file, or the page under `cors.allow-origins`.' },
  );
}

function isLoopbackOrigin(origin: string): boolean {
  const host = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
  return host !== undefined && isLoopbackHost(host);
}
