import { constants } from 'node:fs';
import {
  chmod,
  chown,
  type FileHandle,
  mkdir,
  open,
  realpath,
  rename,
  stat,
  truncate,
  unlink,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Whether a file now holds what was to be written. */
export type Written =
  | { readonly persisted: true; readonly path: string }
  | { readonly persisted: false; readonly path: string; readonly reason: string };

/** Files with secrets are for their owner alone. */
const fileMode = 0o600;
const folderMode = 0o700;

export interface WriteOptions {
  /** Asked at the last moment before the rename; false leaves the file as it is, because somebody else has written it. */
  readonly still?: () => boolean;
}

/** Somebody else has written the file meanwhile. */
class Overtaken extends Error {
  override readonly message = 'somebody else has changed it meanwhile';
}

/**
 * Writes a whole file so that a reader, or a crash, sees the old text or the new one and nothing between: into a new
 * file beside it, to the disk, then by rename. A symlink stays; its target is written. Missing folders are made.
 * A file that is a mount of its own cannot be renamed over (Docker's `-v ./config.yaml:/…`) and is written in place.
 * @returns instead of throwing when the place refuses: a read-only config stops nothing.
 */
export async function writeAtomic(path: string, text: string, options: WriteOptions = {}): Promise<Written> {
  let target = path;
  try {
    target = await realpath(path).catch(() => path);
    await mkdir(dirname(target), { recursive: true, mode: folderMode });
    await replace(target, text, options).catch((error: unknown) => writeInPlace(target, text, error));
    return { persisted: true, path: target };
  } catch (error) {
    return { persisted: false, path: target, reason: refusal(error, target) };
  }
}

async function replace(target: string, text: string, { still }: WriteOptions): Promise<void> {
  const before = await stat(target).catch(() => undefined);
  const fresh = join(dirname(target), `.${basename(target)}.${crypto.randomUUID().slice(0, 8)}.tmp`);
  try {
    await writeWhole(await open(fresh, 'wx', fileMode), text);
    // Somebody else's file stays theirs, where we may say so.
    if (before && before.uid !== process.getuid?.())
      await chown(fresh, before.uid, before.gid).catch(() => {});
    if (still?.() === false) throw new Overtaken();
    await rename(fresh, target);
  } catch (error) {
    await unlink(fresh).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(target));
}

const mountCodes = new Set(['EBUSY', 'EXDEV', 'EACCES', 'EPERM', 'EROFS']);

/** Only for an existing file in a folder that lets nothing be renamed; `cause` is thrown when that is not the case. */
async function writeInPlace(target: string, text: string, cause: unknown): Promise<void> {
  if (!mountCodes.has(codeOf(cause))) throw cause;
  const file = await open(target, constants.O_WRONLY).catch((error: unknown) => {
    throw codeOf(error) === 'EROFS' ? error : cause;
  });
  await writeWhole(file, text);
  await truncate(target, Buffer.byteLength(text));
  await chmod(target, fileMode).catch(() => {});
}

async function writeWhole(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the rename itself survive a power cut; not every file system can. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

/** Tries for real whether a folder can be written: makes it, writes a file to the disk, removes it. */
export async function probe(folder: string): Promise<Written> {
  const file = join(folder, `.writable.${crypto.randomUUID().slice(0, 8)}.tmp`);
  try {
    await mkdir(folder, { recursive: true, mode: folderMode });
    await writeWhole(await open(file, 'wx', fileMode), 'test');
    await unlink(file);
    return { persisted: true, path: folder };
  } catch (error) {
    await unlink(file).catch(() => {});
    return { persisted: false, path: folder, reason: refusal(error, folder) };
  }
}

/** Whether `writeAtomic` would succeed on a file, tried without changing it. */
export async function canWrite(path: string): Promise<Written> {
  const target = await realpath(path).catch(() => path);
  const folder = await probe(dirname(target));
  let refused: unknown;
  const file = await open(target, constants.O_WRONLY).catch((error: unknown) => void (refused = error));
  await file?.close();
  // A file that is a read-only mount of its own stays what it is, however writable its folder.
  const mounted = codeOf(refused) === 'EROFS';
  if (file || (folder.persisted && !mounted)) return { persisted: true, path: target };
  const reason = folder.persisted ? refusal(refused, target) : folder.reason;
  return { persisted: false, path: target, reason };
}

const codeOf = (error: unknown): string => (error as { code?: string } | undefined)?.code ?? '';

const refusals: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  EBUSY: 'it is a mount of its own and cannot be replaced',
  EACCES: 'permission denied',
  EPERM: 'the operation is not permitted',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder, not a file',
  EEXIST: 'a file stands where a folder should be',
  ENOENT: 'the folder does not exist and cannot be made',
};

/** Why a place refuses, in words, with the system's code. */
export function refusal(error: unknown, path: string): string {
  const code = codeOf(error);
  const words = refusals[code] ?? (error instanceof Error ? error.message : String(error));
  return `${path}: ${words}${code === '' ? '' : ` (${code})`}`;
}
