import { isLoopback } from '../config/listen.ts';

/** The part of Bun's server that tells where a request came from. */
export interface Caller {
  requestIP(request: Request): { readonly address: string } | null;
}

/** A proxy in front leaves one of these, and then the socket's address says nothing about the caller. */
const forwardingHeaders = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/**
 * Whether the caller is a program on this machine that talks to us directly: the socket's own address is loopback and
 * nothing says that somebody forwarded the request. The `Host` header never makes a request local, but a foreign name
 * in it makes it foreign: that is a web page reaching us through DNS rebinding.
 */
export function isLocal(request: Request, server: Caller | null): boolean {
  const socket = server?.requestIP(request);
  if (!socket || !isLoopback(socket.address)) return false;
  if (forwardingHeaders.some((name) => request.headers.has(name))) return false;
  return !namesForeignHost(request.headers);
}

/** Whether the `Host` header names somebody else than this machine's loopback. Absent counts as not foreign. */
export function namesForeignHost(headers: Headers): boolean {
  const host = headers.get('host');
  return host !== null && !isLoopbackHost(host);
}

/** `localhost`, `127.0.0.1:8317`, `[::1]:8317`, `demo.localhost`. */
export const isLoopbackHost = (host: string): boolean =>
  isLoopback(host.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''));
