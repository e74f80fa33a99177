import { Type } from '@sinclair/typebox';
import { failureRulesSchema } from '../accounts/rules.ts';
import { count, flag, group, list, table, text } from './keys.ts';

/** The keys of config.yaml that are about logins, whatever their channel. */
export const loginKeys = {
  'oauth-clients': table(
    group('The OAuth client of one channel.', {
      'client-id': text('', "Its id; the channel's own when empty."),
      'client-secret': text('', 'Its secret, for providers that want one.'),
    }),
    'OAuth clients of your own, by channel, such as gemini-cli.',
  ),
  'oauth-endpoints': table(
    table(Type.String(), 'Address, by name of the endpoint.'),
    'Other addresses for signing in and for the API, by channel; docs/channels.md has their names.',
  ),
  'oauth-upstream': table(
    Type.String(),
    'Other base URL of the API, by channel; the same as `api` in oauth-endpoints.',
  ),
  'oauth-excluded-models': table(
    list(Type.String(), 'Patterns of upstream models; * stands for anything.'),
    'Models that logins never offer, by channel.',
  ),
  'oauth-model-alias': table(
    list(
      group('One alias.', {
        name: Type.String({ minLength: 1, description: "The upstream's own name of the model." }),
        alias: Type.String({ minLength: 1, description: 'The name clients use.' }),
        'display-name': text('', 'The name shown in model lists.'),
        fork: flag(false, 'List the original as well.'),
        'force-mapping': flag(false, 'Answers name the alias.'),
      }),
      'Aliases of one channel.',
    ),
    'Other names for the models of logins, by channel.',
  ),
  'oauth-request-scoped-errors': table(
    failureRulesSchema,
    'What errors of the upstream mean for logins, by channel; the rules in a file come first.',
  ),
  'auth-auto-refresh-workers': count(0, 'How many logins are renewed at a time; 0: 16.', { maximum: 256 }),
  'incognito-browser': flag(false, 'Signing in opens a private window of the browser.'),
};
