import { GatewayError, type Phase } from '../core/error.ts';
import { failureHeader } from './socks.ts';

/** Where a request was going, for messages: hosts only, never a path, a query or credentials. */
export interface Destination {
  readonly host: string;
  /** The proxy it went through, without credentials. */
  readonly via?: string;
}

/** Whatever broke a request before its answer began, in plain words. */
export function transportError(thrown: unknown, destination: Destination): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const code = codeOf(thrown);
  if (code === 'ERR_PROXY_TUNNEL') return tunnelRefused(thrown, destination);
  if (code === 'Malformed_HTTP_Response' || code.startsWith('HPE_')) return notHttp(thrown, destination);
  const { phase, message, remedy } = wordsFor(code, destination);
  return new GatewayError({ kind: 'transport', phase }, message, { cause: thrown, remedy });
}

/** A break after the answer began. */
export function brokenBody(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError(
    { kind: 'transport', phase: 'cut' },
    'The upstream broke the connection in the middle of its answer.',
    { cause: thrown, remedy: 'Send the request again.' },
  );
}

interface Words {
  readonly phase: Phase;
  readonly message: string;
  readonly remedy: string;
}

function wordsFor(code: string, { host, via }: Destination): Words {
  const place = via === undefined ? host : `${via}, the proxy for ${host}`;
  const setting = via === undefined ? 'base-url' : 'proxy-url';
  if (code === 'ECONNREFUSED')
    return {
      phase: 'connect',
      message: `Nothing accepts connections at ${place}.`,
      remedy: `Check that it runs, and the ${setting} in config.yaml.`,
    };
  if (nameFaults.has(code))
    return {
      phase: 'connect',
      message: `The name of ${place} cannot be resolved.`,
      remedy: `Check the spelling of the ${setting} in config.yaml and this machine's DNS.`,
    };
  if (routeFaults.has(code))
    return {
      phase: 'connect',
      message: `There is no way to ${place} (${code}).`,
      remedy: "Check this machine's network, and whether a proxy-url is needed.",
    };
  if (code === 'EPROTO')
    return {
      phase: 'connect',
      message: `The TLS handshake with ${host} failed.`,
      remedy: `Check whether the base-url should begin with http:// and whether the port is right.`,
    };
  if (/CERT|SIGNATURE|ISSUER|CHAIN|^ERR_TLS|^ERR_SSL/.test(code))
    return {
      phase: 'connect',
      message: `The certificate of ${host} is not trusted (${code}).`,
      remedy: 'If a company or local authority signed it, name that authority in NODE_EXTRA_CA_CERTS.',
    };
  if (code === 'ECONNRESET' || code === 'ConnectionClosed' || code === 'EPIPE')
    return {
      phase: 'cut',
      message: `${place} closed the connection before it answered.`,
      remedy: 'Send the request again; if it happens each time, check the base-url and any proxy in between.',
    };
  return {
    phase: 'connect',
    message: `The request to ${place} failed${code === '' ? '' : ` (${code})`}.`,
    remedy: 'The log holds the cause under the request id.',
  };
}

const nameFaults = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'EAI_NONAME',
  'DNSException',
]);
const routeFaults = new Set([
  'ETIMEDOUT',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'ENETDOWN',
]);

function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error ? (thrown as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

function tunnelRefused(thrown: unknown, destination: Destination): GatewayError {
  const { status, headers } = thrown as { status?: unknown; headers?: Headers };
  const socksFailure = headers?.get(failureHeader);
  if (socksFailure) return socksFailed(socksFailure, destination);
  return proxyRefused(typeof status === 'number' ? status : 0, destination, thrown);
}

/** The proxy answered instead of the upstream. */
export function proxyRefused(status: number, { host, via }: Destination, cause?: unknown): GatewayError {
  const refused = status === 407;
  return new GatewayError(
    { kind: 'transport', phase: 'connect' },
    `${via ?? 'The proxy'} ${refused ? 'asks for credentials' : `opens no way to ${host} (status ${status})`}.`,
    {
      cause,
      remedy: refused
        ? 'Put user and password into the proxy-url: http://user:password@host:port.'
        : 'Check that the proxy allows this destination.',
    },
  );
}

/** The SOCKS server, or the way to it, failed; `why` is the SOCKS library's own sentence. */
export function socksFailed(why: string, { host, via }: Destination): GatewayError {
  return new GatewayError(
    { kind: 'transport', phase: 'connect' },
    `${via ?? 'The SOCKS proxy'} opens no way to ${host}: ${why}.`,
    { remedy: 'Check the proxy-url in config.yaml, its credentials, and that the proxy runs.' },
  );
}

function notHttp(cause: unknown, { host }: Destination): GatewayError {
  return new GatewayError({ kind: 'bad-upstream-data' }, `${host} does not speak HTTP.`, {
    cause,
    remedy: 'Check the port and the scheme of the base-url in config.yaml.',
  });
}
