import { type CheckReport, checkFile, explain, reference } from '../config/check.ts';
import { discoverConfig } from '../config/discover.ts';
import { printFault, printWarning } from '../config/fault.ts';
import { hereabouts } from '../config/places.ts';
import { protocols } from '../protocols/index.ts';
import type { Options } from './arguments.ts';
import { print, printJson } from './print.ts';

/** Checks the config file, or prints the reference of its keys, or what each protocol cannot say. @returns the exit code. */
export async function check(options: Options): Promise<number> {
  if (options.explain) return options.json ? printJson(reference()) : print(explain());
  if (options.losses) return options.json ? printJson(losses()) : print(lossesText());
  const here = hereabouts();
  const { found, looked } = discoverConfig(here, options.config);
  if (!found) {
    print(
      `There is no config file. Looked at:\n${looked.map(({ path }) => `  ${path}`).join('\n')}\nThe first \`cliproxyapi++ serve\` writes one.`,
    );
    return 78;
  }
  const report = await checkFile(found.path, { environment: here.environment });
  if (options.json) printJson(report);
  else print(readable(report));
  return report.faults.length > 0 ? 78 : 0;
}

function readable({ path, faults, notices, summary }: CheckReport): string {
  const warnings = notices.map(printWarning);
  if (!summary) {
    const told = [...faults.map(printFault), warnings.join('\n'), `${path} cannot be used.`];
    return told.filter((part) => part !== '').join('\n\n');
  }
  const providers = summary.providers.map(({ name, credentials }) => `${name} (${credentials})`).join(', ');
  return [
    ...warnings,
    `${path} is good.`,
    `  listen      ${summary.listen}`,
    `  clients     ${summary.clientKeys} keys`,
    `  management  ${summary.management}`,
    `  providers   ${providers === '' ? 'none' : providers}`,
    `  models      ${summary.models}`,
  ].join('\n');
}

const losses = () => Object.fromEntries(protocols.map(({ id, losses }) => [id, losses]));

const lossesText = () =>
  protocols
    .map(({ id, losses }) => [id, ...losses.map(({ what, why }) => `  ${what}: ${why}`)].join('\n'))
    .join('\n\n');
