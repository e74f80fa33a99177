/** Path and query of a request's URL, without the cost of parsing all of it. `search` keeps its `?`. */
export function splitUrl(url: string): { readonly path: string; readonly search: string } {
  const start = url.indexOf('/', url.indexOf('//') + 2);
  const question = url.indexOf('?', start);
  if (question < 0) return { path: url.slice(start), search: '' };
  return { path: url.slice(start, question), search: url.slice(question) };
}

/** Management belongs to no web page of others: nothing under it ever gets a CORS header or a client's rights. */
export const isManagement = (path: string): boolean =>
  path === '/v0/management' || path.startsWith('/v0/management/');

/** The same holds for the pages of signing in, and for where browsers come back to. */
export const isOwn = (path: string): boolean => path.startsWith('/v0/') || /^\/[a-z]+\/callback$/.test(path);

/** `/v1beta…` and `/v1beta1…`, on which Google's own clients put the key into the query. */
export const isGemini = (path: string): boolean => path.startsWith('/v1beta');

/** Paths that clients with a wrong base URL send instead: the version doubled, or `/v1` left out. */
export function aliases(path: string): readonly string[] {
  const version = /^\/v1(?:beta1?)?(?=\/)/.exec(path)?.[0];
  if (version === undefined) return [];
  return version === '/v1' ? [`/v1${path}`, path.slice(3)] : [version + path];
}

/** An Elysia path as the source of a regular expression. */
export const pathPattern = (path: string): string =>
  path
    .replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll(/:\w+/g, '[^/]+');
