import { createInterface } from 'node:readline';
import { renderUnicodeCompact } from 'uqr';
import { parametersOf, type SignIn, type SignIns } from '../accounts/logins/sign-in.ts';
import type { Place } from '../accounts/logins/roster.ts';
import type { Answers, Way } from '../accounts/steps.ts';
import { GatewayError } from '../core/error.ts';
import { type Options, UsageError } from './arguments.ts';
import { type AuthDesk, AuthFailure, placeNamed } from './auth-desk.ts';
import { openBrowser, hasScreen } from './browser.ts';
import { openSignIns } from './keeping.ts';
import { print, printJson, readable } from './print.ts';

/** Signs in to a channel and keeps what comes of it. A gateway that runs takes it into use at once. */
export async function authLogin(name: string | undefined, options: Options, desk: AuthDesk): Promise<number> {
  if (name === undefined) return print(channelList(desk));
  const place = placeNamed(name, desk.keeper);
  const way = wayNamed(place, options);
  const answers = await askedFor(way, answersOf(options));
  const signIns = openSignIns(desk.keeper, () => desk.config, process.env);
  try {
    const signIn = await signIns.begin(place, way, {
      answers,
      ...(options.port === undefined ? {} : { port: portOf(options.port) }),
      proxyUrl: options['proxy-url'] ?? '',
    });
    tell(signIn, options, desk);
    const stopReading = way.kind === 'browser' ? readPasted(signIn, signIns) : () => {};
    const saved = await signIn.done.finally(stopReading);
    forgetPlan(saved.file, desk);
    if (options.json) return printJson({ channel: place.id, ...saved });
    return print(
      `${saved.label} is signed in to ${place.id}: ${saved.outcome} ${saved.file} in ${desk.folder}`,
    );
  } catch (thrown) {
    throw new AuthFailure(thrown instanceof GatewayError ? thrown.advice : String((thrown as Error).message));
  } finally {
    await signIns.close();
  }
}

/** Whoever signs in anew may have another plan. */
function forgetPlan(file: string, { keeper, entitlements }: AuthDesk): void {
  const login = keeper.find(file)?.login;
  if (login) entitlements.forget(login.id);
}

function channelList({ keeper }: AuthDesk): string {
  const lines = keeper.places.flatMap(({ id, steps }) => [
    id,
    ...steps.ways.map((way) => `  --way ${way.id.padEnd(24)} ${way.title}`),
  ]);
  return ['Sign in with `cliproxyapi++ auth login CHANNEL`:', '', ...lines].join('\n');
}

/** The way asked for, else the first; without a browser the first that needs none. */
function wayNamed(place: Place, options: Options): Way {
  const { ways } = place.steps;
  if (options.way !== undefined) {
    const found = ways.find(({ id }) => id === options.way);
    if (found) return found;
    throw new UsageError(
      `${place.id} has no way "${options.way}"; there are ${ways.map(({ id }) => id).join(', ')}.`,
    );
  }
  const headless = options['no-browser'] === true || !hasScreen();
  const way = (headless && ways.find(({ kind }) => kind === 'device')) || ways[0];
  if (way) return way;
  throw new AuthFailure(
    `${place.id} has nothing to sign in to. Run \`cliproxyapi++ auth import ${place.id} FILE\`.`,
  );
}

/** `--set name=value`, as often as there is something to say. */
export function answersOf({ set = [] }: Options): Answers {
  return Object.fromEntries(
    set.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new UsageError(`--set takes NAME=VALUE, not "${text}".`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new UsageError(`--port takes a number from 0 to 65535, not "${text}".`);
}

/** Asks a person for what the way needs and the command line does not say. */
async function askedFor(way: Way, given: Answers): Promise<Answers> {
  const answers: Record<string, string> = { ...given };
  if (!process.stdin.isTTY) return answers;
  for (const { name, question, fallback, secret } of way.asks ?? []) {
    if (answers[name] !== undefined) continue;
    const hint = fallback ? ` [${fallback}]` : '';
    const answer = await ask(`${question}${hint}: `, secret === true);
    if (answer !== '') answers[name] = answer;
  }
  return answers;
}

function ask(question: string, secret: boolean): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  const { promise, resolve } = Promise.withResolvers<string>();
  lines.question(question, (answer) => {
    lines.close();
    if (secret) process.stderr.write('\n');
    resolve(answer.trim());
  });
  // What is typed from here on is not repeated on the screen.
  if (secret) (lines as unknown as { _writeToOutput: () => void })._writeToOutput = () => {};
  return promise;
}

/** Says what to open, and opens it where there is a screen. */
function tell(signIn: SignIn, options: Options, { config }: AuthDesk): void {
  const { way, url, userCode, deaf, redirectUri } = signIn;
  if (url === '') return;
  const say = (text: string) => void process.stderr.write(`${readable(text)}\n`);
  say(
    userCode === undefined
      ? 'Open this address:'
      : `Open this address on any device and type the code ${userCode}:`,
  );
  say(`\n  ${url}\n`);
  const opened =
    options['no-browser'] !== true &&
    hasScreen() &&
    openBrowser(url, config['incognito-browser'] || options.incognito === true);
  if (!opened && process.stderr.isTTY) process.stderr.write(`${renderUnicodeCompact(url)}\n`);
  if (way.kind !== 'browser') return say('Waiting for you to agree there …');
  if (deaf !== undefined)
    say(`! ${deaf}; another program has it, or the system keeps it. That does not matter:`);
  say(
    `The browser then goes to ${redirectUri}. If it cannot open that page, because it runs on another machine, copy the ` +
      'whole address from its address bar, paste it here and press Enter.',
  );
}

/** Takes pasted addresses until the sign-in is over. @returns what ends the reading. */
function readPasted(signIn: SignIn, signIns: SignIns): () => void {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    if (line.trim() === '') return;
    const returned = signIns.returned({ ...parametersOf(line) }, signIn.place.id);
    if (returned.kind === 'refused') process.stderr.write(`${refusals[returned.why]}\n`);
  });
  return () => {
    lines.close();
    process.stdin.pause();
    process.stdin.unref?.();
  };
}

const refusals = {
  'no-state': 'That is not the whole address: it has no state in it. Copy it from the address bar.',
  'no-code': 'That address has no code in it. Agree in the browser first, then copy the address it goes to.',
  unknown: 'That address belongs to another sign-in. Use the one that this command printed.',
  used: 'That address was used before.',
  'other-provider': 'That address belongs to another provider.',
} as const;
