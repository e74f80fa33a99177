import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { failureRules } from '../accounts/rules.ts';
import { parseProxy } from '../wire/proxy.ts';
import type { Environment } from './environment.ts';
import { listenAddress } from './listen.ts';
import type { Checked } from './parse.ts';
import { payloadRules } from './payload.ts';
import type { Report } from './report.ts';
import type { Config } from './schema.ts';

type DeepMutable<T> = T extends object ? { -readonly [K in keyof T]: DeepMutable<T[K]> } : T;

/** The keys of the reference programs' sample file: public servers were abused through them. */
const sampleKey = /^your-api-key(-\d+)?$/i;

/** Checks what no single key shows, and writes down what follows from several: the one heartbeat, the one secret. */
export function settle(config: Config, environment: Environment, checked: Checked, report: Report): void {
  const settled = config as DeepMutable<Config>;
  const warn = (path: string, message: string) => report.notices.push(checked.noticeAt(path, message));
  const refuse = (path: string, message: string, expected: string) =>
    report.faults.push(checked.faultAt(path, message, expected));

  settled['api-keys'] = clientKeys(config['api-keys'], warn, refuse);
  settleManagement(settled, environment, warn);

  const { streaming, tls } = settled;
  if (streaming['keepalive-seconds'] > 0) streaming['heartbeat-seconds'] = streaming['keepalive-seconds'];
  if (tls.enable && tls.cert === '')
    refuse('tls.cert', 'is empty while tls.enable is true', 'the path of a PEM file');
  if (tls.enable && tls.key === '')
    refuse('tls.key', 'is empty while tls.enable is true', 'the path of a PEM file');
  try {
    parseProxy(config['proxy-url']);
  } catch (error) {
    refuse('proxy-url', reason(error), 'http://host:port, https://…, socks5://…, socks5h://… or direct');
  }
  tls.cert = fileNamed(tls.cert, report.file);
  tls.key = fileNamed(tls.key, report.file);
  // What does not fit its schema was told already.
  if (report.faults.length === 0) checkRules(config, refuse);
  // A config with faults may have lost the very key that would open it.
  const listen = listenAddress(config);
  if (report.faults.length === 0 && 'refused' in listen) refuse('host', listen.refused, listen.expected);
}

/** Rules are lists of their own, with faults that no schema knows. */
function checkRules(config: Config, refuse: Refuse): void {
  payloadRules(config.payload, refuse);
  for (const [channel, entries] of Object.entries(config['oauth-request-scoped-errors']))
    failureRules(entries, (path, expected) =>
      refuse(`oauth-request-scoped-errors.${channel}${path}`, 'cannot be used', expected),
    );
}

const reason = (error: unknown) =>
  error instanceof Error ? error.message.replace(/^The proxy URL /, '').replace(/\.$/, '') : String(error);

/** A file that the config names: `~` is the home folder, and a relative path starts at the config file. */
function fileNamed(path: string, configFile: string): string {
  if (path === '') return '';
  return resolve(
    dirname(configFile),
    path.replace(/^~(?=[/\\])/, () => homedir()),
  );
}

type Warn = (path: string, message: string) => void;
type Refuse = (path: string, message: string, expected: string) => void;

/** The keys without empty and repeated ones; sample keys are refused. */
function clientKeys(keys: readonly string[], warn: Warn, refuse: Refuse): string[] {
  const kept = new Set<string>();
  for (const [index, key] of keys.entries()) {
    const path = `api-keys[${index}]`;
    if (sampleKey.test(key))
      refuse(
        path,
        'this is a sample key that everybody knows',
        'a key of your own; `cliproxyapi++ new-key` prints one',
      );
    else if (key === '') warn(path, 'empty key, ignored');
    else if (kept.has(key)) warn(path, 'this key is listed before, ignored');
    else kept.add(key);
  }
  return [...kept];
}

/**
 * `MANAGEMENT_PASSWORD` switches the management API on when the file has no key of its own. Unlike in the reference it
 * never opens the API to other machines.
 */
function settleManagement(config: DeepMutable<Config>, environment: Environment, warn: Warn): void {
  const management = config['remote-management'];
  const password = environment.MANAGEMENT_PASSWORD?.trim() ?? '';
  if (password !== '' && !management['allow-remote'])
    warn(
      'remote-management.allow-remote',
      'MANAGEMENT_PASSWORD opens the management API to this machine only; set allow-remote: true for others',
    );
  if (management['secret-key'] === '') management['secret-key'] = password;
  if (config['api-keys'].includes(management['secret-key']))
    warn(
      'remote-management.secret-key',
      'this is a client key as well; every client could change the config',
    );
}
