import { type Page, pageResponse } from './page.ts';
import type { Returned } from './sign-in.ts';

/** Somebody who listens for a browser on this machine, and on this machine only. */
export interface Listener {
  readonly port: number;
  /** Why the port cannot be had: the URL must be pasted. */
  readonly refused?: string;
  /** Resolves when the pages that are still being sent have arrived. */
  close(): Promise<void>;
}

/**
 * Opens listeners for browsers that come back. Several who wait on one port share it.
 * @param returned takes what the browser brings.
 */
export function listeners(
  returned: (parameters: Readonly<Record<string, string>>) => Returned,
): (port: number) => Listener {
  const open = new Map<number, { readonly server: Bun.Server<undefined>; users: number }>();

  function start(port: number): Bun.Server<undefined> {
    return Bun.serve({
      hostname: '127.0.0.1',
      port,
      fetch: async (request) => {
        const { searchParams } = new URL(request.url);
        if (request.method !== 'GET' || !(searchParams.has('state') || searchParams.has('code')))
          return pageResponse(
            { title: 'Nothing here', lines: ['This page waits for a sign-in to return.'] },
            404,
          );
        return returnPage(returned(Object.fromEntries(searchParams)));
      },
    });
  }

  return (port) => {
    let shared = open.get(port);
    try {
      shared ??= { server: start(port), users: 0 };
    } catch (error) {
      const code = (error as { code?: string }).code ?? String(error);
      return {
        port,
        refused: `port ${port} of this machine cannot be listened on (${code})`,
        close: () => Promise.resolve(),
      };
    }
    const { server } = shared;
    const own = server.port!;
    shared.users++;
    open.set(own, shared);
    let closed = false;
    return {
      port: own,
      async close() {
        if (closed) return;
        closed = true;
        if (--shared.users > 0) return;
        open.delete(own);
        await server.stop();
      },
    };
  };
}

/** What the browser shows once the sign-in it came from is over. */
export async function returnPage(returned: Returned): Promise<Response> {
  if (returned.kind === 'refused') return pageResponse(refusals[returned.why], 400);
  const { signIn } = returned;
  await signIn.done.catch(() => {});
  if (signIn.status.kind === 'done')
    return pageResponse({
      title: 'Signed in',
      lines: [`${signIn.status.saved.label} is signed in to ${signIn.place.id}.`, 'You can close this page.'],
    });
  const reason = signIn.status.kind === 'failed' ? signIn.status.reason : 'It is not over yet.';
  return pageResponse({ title: 'Not signed in', lines: [reason, 'Begin again where you began.'] }, 400);
}

const again = 'Begin again where you began.';

const refusals: Readonly<Record<Extract<Returned, { kind: 'refused' }>['why'], Page>> = {
  'no-state': {
    title: 'Not signed in',
    lines: ['The address has no state, so nobody knows whose it is.', again],
  },
  'no-code': { title: 'Not signed in', lines: ['The address has neither a code nor an error.', again] },
  unknown: {
    title: 'Not signed in',
    lines: ['Nobody is waiting for this return. It may have taken longer than ten minutes.', again],
  },
  used: { title: 'Already used', lines: ['This return was used before; a code works once.', again] },
  'other-provider': { title: 'Not signed in', lines: ['This return belongs to another provider.', again] },
};
