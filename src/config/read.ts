import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, faultWithout, type Notice } from './fault.ts';

/** Larger than any config; a wrong path to some big file should not fill the memory. */
const mostBytes = 16 * 1024 * 1024;

/**
 * The text of a config file. Windows editors' UTF-16 is understood.
 * @throws ConfigError that says what to do: also for a folder, which Docker makes when the file to mount is missing.
 */
export function readConfig(path: string): string {
  const refuse = (message: string, expected: string, exitCode?: 77) =>
    new ConfigError([faultWithout(path, '', message, expected)], [], exitCode);
  let bytes: Uint8Array;
  try {
    const found = statSync(path);
    if (found.isDirectory()) throw refuse('this is a folder, not a file', folderRemedy(path));
    if (found.size > mostBytes) throw refuse('this file is too large for a config', 'at most 16 MiB');
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = (error as { code?: string }).code ?? '';
    if (code === 'ENOENT' || code === 'ENOTDIR') throw refuse('there is no such file', 'an existing file');
    if (code === 'EACCES' || code === 'EPERM')
      throw refuse(
        'this file may not be read',
        `a file that user ${process.getuid?.() ?? ''} may read`.trim(),
        77,
      );
    throw refuse(`this file cannot be read (${code})`, 'a readable file');
  }
  return decodeText(bytes, path, refuse);
}

function decodeText(
  bytes: Uint8Array,
  path: string,
  refuse: (message: string, expected: string) => ConfigError,
) {
  const wide = bytes[0] === 0xff && bytes[1] === 0xfe;
  try {
    return new TextDecoder(wide ? 'utf-16le' : 'utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse('this file is not UTF-8 text', `a text file; save ${path} as UTF-8`);
  }
}

function folderRemedy(path: string): string {
  const inside = join(path, 'config.yaml');
  if (existsSync(inside)) return `the file itself, ${inside}`;
  return `a file; if Docker made the folder because the file to mount was missing, remove it (rmdir ${path}), create the file, or mount the folder around it`;
}

/** A warning when everybody on the machine may read a config, which holds secrets. */
export function permissionNotice(path: string): Notice | undefined {
  try {
    const { mode } = statSync(path);
    if (process.platform === 'win32' || (mode & 0o007) === 0) return undefined;
    const message = `every user of this machine can read it; run chmod 600 ${path}`;
    return { kind: 'warning', file: path, line: 0, path: '', message };
  } catch {
    return undefined;
  }
}
