/** Whether a browser that is opened here can be seen. Over SSH without a display it cannot. */
export function hasScreen(): boolean {
  const { DISPLAY, WAYLAND_DISPLAY, SSH_CONNECTION, SSH_TTY } = process.env;
  if (process.platform === 'linux') return Boolean(DISPLAY ?? WAYLAND_DISPLAY);
  return !(SSH_CONNECTION ?? SSH_TTY);
}

type Command = readonly [string, ...string[]];

const openers: Readonly<Partial<Record<NodeJS.Platform, readonly Command[]>>> = {
  darwin: [['open']],
  linux: [['xdg-open'], ['wslview']],
  win32: [['rundll32', 'url.dll,FileProtocolHandler']],
};

const privateOpeners: Readonly<Partial<Record<NodeJS.Platform, readonly Command[]>>> = {
  darwin: [['open', '-na', 'Google Chrome', '--args', '--incognito']],
  linux: [
    ['google-chrome', '--incognito'],
    ['chromium', '--incognito'],
    ['firefox', '--private-window'],
  ],
};

/**
 * Opens a page in the user's browser; in a private window where one of the usual browsers is there. The address may be a
 * provider's word, so it reaches no shell, and only web pages are opened.
 * @returns whether something was started.
 */
export function openBrowser(url: string, incognito: boolean): boolean {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return false;
  const commands = [
    ...(incognito ? (privateOpeners[process.platform] ?? []) : []),
    ...(openers[process.platform] ?? []),
  ];
  for (const command of commands) {
    if (Bun.which(command[0]) === null) continue;
    Bun.spawn([...command, url], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' }).unref();
    return true;
  }
  return false;
}
