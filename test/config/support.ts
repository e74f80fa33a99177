import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, type Checked, type Origin } from '../../src/config/parse.ts';
import { ConfigError } from '../../src/config/fault.ts';
import type { Whereabouts } from '../../src/config/places.ts';
import type { Fields, Level, Log } from '../../src/telemetry/log.ts';

/** An empty folder, and how to remove it. */
export function temporaryFolder() {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'config-test-')));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A whole machine in one folder: home, working folder, temporary folder and system root. */
export function machine(root: string, environment: Record<string, string> = {}): Whereabouts {
  return {
    environment,
    cwd: join(root, 'cwd'),
    home: join(root, 'home'),
    temporary: join(root, 'temporary'),
    root,
  };
}

export interface Line {
  readonly level: Level;
  readonly event: string;
  readonly fields: Fields;
}

/** A log that keeps its lines, and promises that are kept when an event arrives. */
export function recordingLog() {
  const lines: Line[] = [];
  const waiting = new Map<string, (line: Line) => void>();
  const log: Log = (level, event, fields = {}) => {
    const line = { level, event, fields };
    lines.push(line);
    waiting.get(event)?.(line);
    waiting.delete(event);
  };
  const next = (event: string) => new Promise<Line>((resolve) => waiting.set(event, resolve));
  return { log, lines, next, events: () => lines.map(({ event }) => event) };
}

/** Parses with nothing in the environment. */
export function parse(text: string, origin: Partial<Origin> = {}): Checked {
  return parseConfig(text, { file: 'config.yaml', environment: {}, ...origin });
}

/** The error of a text that must not be accepted. */
export function refused(act: () => unknown): ConfigError {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('The config was accepted.');
}
