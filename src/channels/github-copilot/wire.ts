import { version } from '../../version.ts';
import { userAgent } from '../entry.ts';

/** This channel's id, and the provider's name. */
export const id = 'github-copilot';

/** Every address that the channel uses. `api` stands in where GitHub names no address of the account's own. */
export const endpoints = {
  device: 'https://github.com/login/device/code',
  token: 'https://github.com/login/oauth/access_token',
  github: 'https://api.github.com',
  api: 'https://api.githubcopilot.com',
} as const;

/**
 * What the service wants to know of the program that asks; it refuses requests without. The editor's name is free text, so
 * it is ours. The integration id is not: the service takes only ids that it has given out, and this is the one that goes
 * with the client id of the device flow.
 */
export const editorHeaders: Readonly<Record<string, string>> = {
  'user-agent': userAgent,
  'editor-version': `cliproxyapi++/${version}`,
  'editor-plugin-version': `cliproxyapi++/${version}`,
  'copilot-integration-id': 'vscode-chat',
  'x-github-api-version': '2025-04-01',
};
