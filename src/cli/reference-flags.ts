/**
 * The login flags of the replaced program, read as the commands they stand for: `-codex-device-login` is
 * `auth login codex --way device`. Flags of channels that are left out stand for them as well, and are told why there.
 */
const commands = new Map(
  Object.entries<readonly string[]>({
    login: ['login', 'gemini-cli'],
    'codex-login': ['login', 'codex', '--way', 'browser'],
    'codex-device-login': ['login', 'codex', '--way', 'device'],
    'antigravity-login': ['login', 'antigravity'],
    'github-copilot-login': ['login', 'github-copilot'],
    'kiro-login': ['login', 'kiro', '--way', 'google'],
    'kiro-google-login': ['login', 'kiro', '--way', 'google'],
    'kiro-aws-login': ['login', 'kiro', '--way', 'builder-id'],
    'kiro-aws-authcode': ['login', 'kiro', '--way', 'identity-center-browser'],
    'kiro-idc-login': ['login', 'kiro', '--way', 'identity-center'],
    'kiro-import': ['import', 'kiro'],
    'vertex-import': ['import', 'vertex'],
    'claude-login': ['login', 'claude'],
    'qwen-login': ['login', 'qwen'],
    'kilo-login': ['login', 'kilo'],
    'iflow-login': ['login', 'iflow'],
    'iflow-cookie': ['login', 'iflow'],
    'gitlab-login': ['login', 'gitlab'],
    'gitlab-token-login': ['login', 'gitlab'],
    'kimi-login': ['login', 'kimi'],
    'xai-login': ['login', 'xai'],
    'cursor-login': ['login', 'cursor'],
    'codebuddy-login': ['login', 'codebuddy'],
  }),
);

/** Flags that take a value, and the options they stand for. */
const values = new Map(
  Object.entries<(value: string) => readonly string[]>({
    project_id: (value) => ['--set', `project=${value}`],
    'oauth-callback-port': (value) => ['--port', value],
    'kiro-idc-start-url': (value) => ['--set', `start-url=${value}`],
    'kiro-idc-region': (value) => ['--set', `region=${value}`],
    'kiro-idc-flow': (value) => [
      '--way',
      value === 'authcode' ? 'identity-center-browser' : 'identity-center',
    ],
    'vertex-import-prefix': (value) => ['--set', `prefix=${value}`],
  }),
);

/** Flags that change nothing here. */
const idle = new Set(['no-incognito', 'local-model']);

/** The command line in this program's own words. One without flags of the replaced program is as it was. */
export function fromReference(argv: readonly string[]): readonly string[] {
  const command: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    const [, name = '', joined] = /^--?([a-z][\w-]*)(?:=(.*))?$/s.exec(word) ?? [];
    const stands = commands.get(name);
    const value = values.get(name);
    if (idle.has(name)) continue;
    if (stands) {
      command.push('auth', ...stands, ...(joined === undefined ? [] : [joined]));
    } else if (value) {
      rest.push(...value(joined ?? argv[++at] ?? ''));
    } else rest.push(word);
  }
  return [...command, ...rest];
}
