import type { AnyElysia } from 'elysia';
import { returnPage } from '../accounts/logins/loopback.ts';
import { type Page, pageResponse } from '../accounts/logins/page.ts';
import type { SignIn, SignIns } from '../accounts/logins/sign-in.ts';
import { GatewayError } from '../core/error.ts';
import { readImport } from '../accounts/logins/import.ts';
import { parseObject } from '../core/json.ts';
import { isLocal } from './address.ts';
import { answer, type Visit } from './answer.ts';
import { type BodyLimits, readBody } from './body.ts';
import type { Hall } from './hall.ts';
import { mountHidden } from './mount.ts';
import { hidden } from './openapi.ts';

/** The word of a callback path to the channel it is for; as the replaced program has them. */
const callbacks: Readonly<Record<string, string>> = {
  anthropic: 'claude',
  codex: 'codex',
  antigravity: 'antigravity',
  google: 'gemini-cli',
  kiro: 'kiro',
  iflow: 'iflow',
  xai: 'xai',
  gitlab: 'gitlab',
};

const kiro = '/v0/oauth/kiro';

/**
 * Where browsers come back to when a provider, or a port that is led here, sends them to the gateway's own port; and
 * the pages for signing in to Kiro. A return is good for nothing without a state that was given out.
 */
export function mountSignIn(app: AnyElysia, hall: Hall): void {
  const { signIns } = hall;
  if (!signIns) return;
  for (const [word, channel] of Object.entries(callbacks))
    mountHidden(app, hall, `/${word}/callback`, (visit) => comeBack(visit, signIns, channel));
  for (const path of [`${kiro}/callback`, `${kiro}/social/callback`])
    mountHidden(app, hall, path, (visit) => comeBack(visit, signIns, 'kiro'));
  const here =
    (work: (visit: Visit, signIns: SignIns) => Response | Promise<Response>) => async (visit: Visit) =>
      (await refused(visit, hall, app)) ?? work(visit, signIns);
  mountHidden(
    app,
    hall,
    kiro,
    here(() => pageResponse(kiroPage(hall))),
  );
  mountHidden(
    app,
    hall,
    `${kiro}/start`,
    here((visit) => startKiro(visit, hall, signIns)),
  );
  mountHidden(
    app,
    hall,
    `${kiro}/status`,
    here(({ search }) => Response.json(standing(signIns.find(stateIn(search))))),
  );
  app.post(
    `${kiro}/import`,
    ({ request }) =>
      answer(
        hall,
        request,
        here((visit) => importKiro(visit, hall)),
      ),
    {
      parse: 'none',
      detail: hidden,
    },
  );
  app.post(
    `${kiro}/refresh`,
    ({ request }) =>
      answer(
        hall,
        request,
        here(() => refreshKiro(hall)),
      ),
    {
      parse: 'none',
      detail: hidden,
    },
  );
}

const comeBack = ({ search }: Visit, signIns: SignIns, channel: string) =>
  returnPage(signIns.returned(Object.fromEntries(new URLSearchParams(search)), channel));

const stateIn = (search: string) => new URLSearchParams(search).get('state') ?? '';

/**
 * These pages add logins, so they are for whoever may manage: a browser asks for the key, as a password. To be local is
 * not enough, because a proxy that says nothing of itself makes everybody look local. They are never for pages of others,
 * to which a browser would lend the key. An app without management has them for this machine alone.
 */
async function refused({ request }: Visit, hall: Hall, app: AnyElysia): Promise<Response | undefined> {
  const { headers } = request;
  const origin = headers.get('origin');
  const foreign = origin !== null && URL.parse(origin)?.host !== headers.get('host');
  const site = headers.get('sec-fetch-site') ?? 'none';
  if (foreign || !(site === 'none' || site === 'same-origin')) throw forbidden('are for no page of others');
  if (!hall.guard && !isLocal(request, app.server)) throw forbidden('are for this machine only');
  const why = await hall.guard?.(request, app.server);
  if (!why) return undefined;
  const page = pageResponse({ title: 'Not let in', lines: [why.message, why.remedy] }, why.status);
  if (why.status === 401)
    page.headers.set('www-authenticate', 'Basic realm="management key", charset="UTF-8"');
  return page;
}

const forbidden = (what: string) =>
  new GatewayError({ kind: 'forbidden', code: 'local_only' }, `These pages ${what}.`, {
    remedy:
      'Run `cliproxyapi++ auth login kiro` on this machine, or use GET /v0/management/kiro-auth-url with the management key.',
  });

const kiroPlace = ({ keeper }: Hall) => {
  const place = keeper?.places.find(({ id }) => id === 'kiro');
  if (place) return place;
  throw new GatewayError({ kind: 'not-found', what: 'route' }, 'There is no Kiro channel here.');
};

function kiroPage(hall: Hall): Page {
  return {
    title: 'Sign in to Kiro',
    lines: ['Choose how. IAM Identity Center needs its start URL: add startUrl and region to the address.'],
    links: kiroPlace(hall).steps.ways.map(({ id, title }) => ({
      href: `${kiro}/start?method=${id}`,
      text: title,
    })),
  };
}

async function startKiro({ search }: Visit, hall: Hall, signIns: SignIns): Promise<Response> {
  const query = new URLSearchParams(search);
  const method = query.get('method') ?? 'builder-id';
  const place = kiroPlace(hall);
  const way = place.steps.ways.find(({ id }) => id === (method === 'idc' ? 'identity-center' : method));
  if (!way) return pageResponse({ title: 'Not signed in', lines: [`Kiro has no way "${method}".`] }, 400);
  const answers = { ...Object.fromEntries(query), 'start-url': query.get('startUrl') ?? '' };
  try {
    const proxyUrl = query.get('proxy_url') ?? '';
    return pageResponse(begunPage(await signIns.begin(place, way, { answers, proxyUrl })));
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    return pageResponse({ title: 'Not signed in', lines: [thrown.advice] }, thrown.status);
  }
}

function begunPage({ url, userCode, state }: SignIn): Page {
  const code = userCode === undefined ? [] : [`The code is ${userCode}.`];
  return {
    title: 'Sign in to Kiro',
    lines: [...code, 'Open the first link and agree there; the second one says how it stands.'],
    links: [
      { href: url, text: 'Open the page of the provider' },
      { href: `${kiro}/status?state=${state}`, text: 'How it stands' },
    ],
  };
}

function standing(signIn: SignIn | undefined) {
  if (!signIn) return { status: 'failed', error: 'unknown or expired state' };
  const { status } = signIn;
  if (status.kind === 'failed') return { status: 'failed', error: status.reason };
  return status.kind === 'done' ? { status: 'success', file: status.saved.file } : { status: 'pending' };
}

const longestImport: BodyLimits = { encoded: 64 * 1024, decoded: 64 * 1024 };

async function importKiro({ request }: Visit, hall: Hall): Promise<Response> {
  const place = kiroPlace(hall);
  const imported = readImport(parseObject(await importedText(request)), () => undefined, [place], place);
  if (imported.kind === 'login')
    return Response.json({ success: true, ...(await hall.keeper!.save(place, imported.fields)) });
  const why =
    imported.kind === 'refused'
      ? { message: imported.reason, remedy: imported.remedy }
      : { message: 'That is no login of Kiro.', remedy: 'Send the content of kiro-auth-token.json.' };
  throw new GatewayError({ kind: 'invalid-request' }, why.message, { remedy: why.remedy });
}

async function importedText(request: Request): Promise<string> {
  try {
    return await readBody(request, longestImport, () => {});
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.fault.kind === 'too-large')
      throw new GatewayError({ kind: 'too-large' }, 'That is too large for a login.');
    throw thrown;
  }
}

async function refreshKiro({ keeper }: Hall): Promise<Response> {
  const kept = (keeper?.files ?? []).filter(({ login }) => login?.channel === 'kiro' && !login.disabled);
  const results = await Promise.allSettled(kept.map(({ login }) => keeper!.renew(login!)));
  return Response.json({
    success: results.every(({ status }) => status === 'fulfilled'),
    refreshed: results.filter(({ status }) => status === 'fulfilled').length,
    failed: results.filter(({ status }) => status === 'rejected').length,
  });
}
