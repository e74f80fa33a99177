/** What `cliproxyapi++ help` prints. */
export const help = `cliproxyapi++: one port for every LLM API

Usage: cliproxyapi++ [command] [options]

Commands
  serve              run the gateway (the default)
  check              read the config file and say what is wrong with it
  check --explain    print every key of the config file with its meaning
  check --losses     print what each protocol cannot say
  models             list the models with who serves them
  models explain ID  tell why a model name is served as it is; --key K asks about a client's key as well
  trace [ID]         tell what happened to a request, or list the newest ones
  auth               sign in to channels and look after the logins; alone it lists its commands
  new-key            print a fresh client key for api-keys
  version            print the version
  help               print this

Options
  --config FILE      use this config file; -config works too
  --management-key K for commands that ask the running gateway; else MANAGEMENT_PASSWORD or the config's own
  --json             print for a program instead of a person

Without --config the file is looked for in the usual places, and one is written at the first run.
Exit codes: 0 ok, 64 wrong command line, 69 port in use, 77 permission denied, 78 wrong configuration.`;
