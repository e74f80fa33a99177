import type { FirstRun } from '../config/first-run.ts';
import type { Paths, Place } from '../config/paths.ts';
import type { Source } from '../config/runtime.ts';
import type { Config } from '../config/schema.ts';

/** What the start banner tells. */
export interface Started {
  readonly server: { readonly hostname: string | undefined; readonly port: number | undefined };
  readonly source: Source;
  readonly paths: Paths;
  /** Present when this start wrote the config. */
  readonly first: FirstRun | undefined;
  readonly config: Config;
  readonly version: string;
}

/** The lines a person reads at the start: where it listens, which config it took and why, and where its files are. */
export function banner({ server, source, paths, first, config, version }: Started): string {
  const scheme = config.tls.enable ? 'https' : 'http';
  const base = `${scheme}://${reachable(server.hostname)}:${server.port}`;
  const lines = [
    `cliproxyapi++ ${version}`,
    `  listening  ${base}   API page ${base}/api/`,
    ...(everywhere(server.hostname) ? ['             and at every other address of this machine'] : []),
    `  config     ${source.path ?? '(in memory)'}   (${source.why})`,
    ...(['auth', 'logs', 'state'] as const).flatMap((kind) => placeLines(kind, paths[kind])),
  ];
  if (paths.config && !paths.config.writable)
    lines.push(
      `  ! the config file cannot be written (${paths.config.reason}); edits over the API last until the next start`,
    );
  if (config['api-keys'].length === 0)
    lines.push('  ! there is no client key: everybody on this machine may use the gateway, and nobody else');
  if (first) lines.push(...firstRunLines(first, base));
  return `${lines.join('\n')}\n`;
}

/** Whether other machines reach it too. */
const everywhere = (host: string | undefined): boolean => !host || host === '::' || host === '0.0.0.0';

/** An address that a program on this machine can use. */
function reachable(host: string | undefined): string {
  if (!host || everywhere(host)) return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function placeLines(kind: string, place: Place): readonly string[] {
  const lines = [
    `  ${kind.padEnd(9)}  ${place.path}   (${place.why}${place.writable ? '' : '; not writable'})`,
  ];
  for (const { path, why, reason } of place.passedOver)
    lines.push(`  ! ${kind}: ${path} (${why}) cannot be written: ${reason}`);
  if (place.temporary)
    lines.push(`  ! ${kind}: this is a temporary folder; what is in it is lost at the next reboot`);
  return lines;
}

/** The key is shown here and never again; the curl line works as it stands. */
function firstRunLines(first: FirstRun, base: string): readonly string[] {
  const body = '{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}';
  const kept =
    first.path === undefined ? 'It could not be written anywhere and is gone at the next start.' : '';
  return [
    '',
    `This is the first run: a config was made for you. ${kept}`.trimEnd(),
    `Your client key (shown once): ${first.key}`,
    'Try it:',
    '',
    `  curl -N ${base}/v1/chat/completions -H 'Authorization: Bearer ${first.key}' -H 'Content-Type: application/json' -d '${body}'`,
    '',
    ...(first.temporary && first.path !== undefined
      ? ['! The config is in a temporary folder and is lost at the next reboot.', '']
      : []),
  ];
}
