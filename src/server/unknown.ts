import type { AnyElysia } from 'elysia';
import { GatewayError } from '../core/error.ts';
import type { Visit } from './answer.ts';
import { preflight } from './cors.ts';
import { openApiPath } from './openapi.ts';
import { isGemini, isOwn, pathPattern } from './paths.ts';

/**
 * Answers what no route answers: a preflight, a wrong method with the right ones, or an unknown path with the path that
 * was probably meant.
 */
export function answerUnknown(app: AnyElysia): (visit: Visit) => Response {
  let patterns: readonly Pattern[] | undefined;
  return (visit) => {
    const { request, path, runtime } = visit;
    if (request.method === 'OPTIONS')
      return isOwn(path) ? new Response(null, { status: 204 }) : preflight(request, runtime);
    patterns ??= patternsOf(app);
    const allow = new Set(patterns.filter(({ whole }) => whole.test(path)).map(({ method }) => method));
    if (allow.size > 0) throw wrongMethod(request.method, path, [...allow].sort());
    throw unknownPath(visit, patterns);
  };
}

interface Pattern {
  readonly method: string;
  readonly path: string;
  /** Matches the path itself. */
  readonly whole: RegExp;
  /** Matches whatever ends like the path does behind its version; undefined for paths without a version. */
  readonly tail: RegExp | undefined;
}

function patternsOf(app: AnyElysia): readonly Pattern[] {
  return app.routes
    .filter(({ method }) => method !== 'ALL' && method !== 'OPTIONS')
    .map(({ method, path }) => {
      const unversioned = /^\/v1(?:beta)?(?!\/v1)(\/.+)$/.exec(path)?.[1];
      return {
        method,
        path,
        whole: new RegExp(`^${pathPattern(path)}/?$`),
        tail: unversioned === undefined ? undefined : new RegExp(`${pathPattern(unversioned)}/?$`),
      };
    });
}

function wrongMethod(method: string, path: string, allow: readonly string[]): GatewayError {
  return new GatewayError({ kind: 'method-not-allowed', allow }, `${method} is not allowed on ${path}.`, {
    remedy: `Use ${allow.join(' or ')}.`,
  });
}

function unknownPath({ request, path, search }: Visit, patterns: readonly Pattern[]): GatewayError {
  const origin = request.url.slice(0, request.url.length - path.length - search.length);
  const [meant] = patterns
    .filter(({ method, tail }) => method === request.method && tail?.test(path))
    .sort((a, b) => oddity(a.path, path) - oddity(b.path, path) || b.path.length - a.path.length);
  return new GatewayError({ kind: 'not-found', what: 'route' }, `Nothing is at ${path}.`, {
    remedy: meant ? baseUrlAdvice(meant.path, origin) : `${origin}/api/ lists every path.`,
  });
}

/** How little a route looks like what was asked: the version that stands in the path was meant, else the usual one. */
function oddity(route: string, path: string): number {
  const [, version] = route.split('/');
  if (path.includes(`/${version}/`)) return 0;
  return isGemini(route) ? 2 : 1;
}

function baseUrlAdvice(path: string, origin: string): string {
  const [, version] = path.split('/');
  return `The path is ${openApiPath(path)}: give the client the base URL ${origin}/${version}, or ${origin} when it adds /${version} itself.`;
}
