import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Who listens on a TCP port. */
export interface PortHolder {
  /** Undefined when the process belongs to another user, and so cannot be seen. */
  readonly process?: { readonly pid: number; readonly name: string };
  /** The numeric id of the user it belongs to. */
  readonly user: number;
}

/** `TCP_LISTEN` in the kernel's tables (include/net/tcp_states.h). */
const listening = '0A';

/**
 * Finds who listens on a port through Linux's process file system: the socket tables give the socket's number, and the
 * process that has it open is the holder. Undefined where there is no such file system, and when nobody listens.
 */
export function portHolder(port: number): PortHolder | undefined {
  const sockets = [...socketsOn('/proc/net/tcp', port), ...socketsOn('/proc/net/tcp6', port)];
  const [first] = sockets;
  if (!first) return undefined;
  const links = new Set(sockets.map(({ inode }) => `socket:[${inode}]`));
  const pid = quietly(() => readdirSync('/proc'), [])
    .filter((name) => /^\d+$/.test(name))
    .find((name) => openFiles(name).some((link) => links.has(link)));
  if (pid === undefined) return { user: first.user };
  const name = quietly(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), '?');
  return { process: { pid: Number(pid), name }, user: first.user };
}

interface Socket {
  readonly inode: string;
  readonly user: number;
}

/** Rows of a table such as `/proc/net/tcp` (proc_net_tcp(5)): local address in hex is field 1, state 3, user 7, inode 9. */
function socketsOn(table: string, port: number): readonly Socket[] {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return quietly(() => readFileSync(table, 'utf8'), '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(ending) && fields[3] === listening)
    .map((fields) => ({ inode: fields[9] ?? '', user: Number(fields[7]) }));
}

function openFiles(pid: string): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return quietly(() => readdirSync(folder), []).map((name) =>
    quietly(() => readlinkSync(`${folder}/${name}`), ''),
  );
}

/** Processes come and go while we look, and most of them are not ours to see. */
function quietly<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
