import type { Import } from '../../accounts/steps.ts';
import { GatewayError } from '../../core/error.ts';
import { compact, type Json, readObject, readString } from '../../core/json.ts';

/** What Copilot's plugins for other editors keep: tokens by host, or by host and app. */
export const hostsFile: Import = {
  title: "GitHub Copilot's hosts file",
  paths: ['~/.config/github-copilot/apps.json', '~/.config/github-copilot/hosts.json'],
  read(content) {
    const entries = Object.entries(content).filter(([host]) => /^github\.com(?::|$)/.test(host));
    if (entries.length === 0) return undefined;
    const found = entries
      .map(([, entry]) => readObject(entry) ?? {})
      .find((entry) => readString(entry.oauth_token));
    if (found) return fieldsOf(found);
    throw new GatewayError(
      { kind: 'invalid-request', field: 'oauth_token' },
      'The file has no oauth_token for github.com.',
      { remedy: 'Sign in with: cliproxyapi++ auth login github-copilot' },
    );
  },
};

const fieldsOf = (entry: Json): Json =>
  compact({
    type: 'github-copilot',
    access_token: readString(entry.oauth_token),
    username: readString(entry.user),
  });
