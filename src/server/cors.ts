import type { Runtime } from '../config/runtime.ts';

/** The request's `Origin` when `cors.allow-origins` lists it; `*` there allows every origin. */
export function allowedOrigin(headers: Headers, runtime: Runtime): string | undefined {
  const origin = headers.get('origin');
  if (origin === null) return undefined;
  const allowed = runtime.config.cors['allow-origins'];
  return allowed.includes(origin) || allowed.includes('*') ? origin : undefined;
}

/** Lets an allowed page read the answer. Keys travel in headers, so browser credentials are never allowed. */
export function allowReading(request: Request, response: Response, runtime: Runtime): void {
  const origin = allowedOrigin(request.headers, runtime);
  if (origin === undefined) return;
  response.headers.set('access-control-allow-origin', origin);
  response.headers.set('access-control-expose-headers', exposed);
  response.headers.append('vary', 'origin');
}

const exposed = 'x-request-id, x-gateway-dropped, retry-after';

/** Answers a preflight: every `OPTIONS` gets 204, but only an allowed page is told that it may go on. */
export function preflight(request: Request, runtime: Runtime): Response {
  const response = new Response(null, { status: 204 });
  if (allowedOrigin(request.headers, runtime) === undefined) return response;
  response.headers.set('access-control-allow-methods', 'GET, HEAD, POST, OPTIONS');
  const asked = request.headers.get('access-control-request-headers');
  if (asked !== null) response.headers.set('access-control-allow-headers', asked);
  response.headers.set('access-control-max-age', '600');
  allowReading(request, response, runtime);
  return response;
}
