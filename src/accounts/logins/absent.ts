/** Why files of a known type have no channel here, and what their owner can do instead. */
export interface Absence {
  readonly reason: string;
  readonly remedy: string;
}

const notYet = (name: string, remedy: string): Absence => ({
  reason: `signing in to ${name} is not part of this version yet`,
  remedy,
});

const undocumented = (name: string): Absence => ({
  reason: `${name} has no documented protocol for other programs (decision 10)`,
  remedy: 'Use an API key of the models’ own provider; docs/providers.md lists them.',
});

/** By the `type` of the file. */
const absences: Readonly<Record<string, Absence>> = {
  claude: {
    reason:
      "tokens of Anthropic's consumer plans are for its own applications, and its servers refuse them elsewhere",
    remedy: 'Create an API key at console.anthropic.com and put it into claude-api-key in config.yaml.',
  },
  cursor: undocumented('Cursor'),
  codebuddy: undocumented('CodeBuddy'),
  kimi: notYet('Kimi', 'Put an API key of Moonshot into openai-compatibility in config.yaml.'),
  qwen: notYet('Qwen', 'Put an API key of Alibaba Model Studio into openai-compatibility in config.yaml.'),
  iflow: notYet('iFlow', 'Put its API key (`api_key` in the file) into openai-compatibility in config.yaml.'),
  xai: notYet('xAI', 'Put an API key of xAI into xai-api-key in config.yaml.'),
  kilo: notYet('Kilo', 'Put its token (`kilocodeToken` in the file) as api-key into kilo in config.yaml.'),
  gitlab: notYet('GitLab Duo', 'Use an API key of the models’ own provider.'),
};

/** Why there is no channel for a type; for one that nobody knows as well. */
export function absenceOf(type: string): Absence {
  if (isAbsent(type)) return absences[type]!;
  return {
    reason: `no channel here signs in with files of the type "${type}"`,
    remedy: 'Check the `type` of the file; `cliproxyapi++ auth login` lists the channels.',
  };
}

/** Types that are known and left out, for commands that name them. */
export const isAbsent = (type: string): boolean => Object.hasOwn(absences, type);
