/** A page that a browser shows after it came back from a provider. */
export interface Page {
  readonly title: string;
  /** Paragraphs, in plain text. */
  readonly lines: readonly string[];
  /** Links, each to a path of this server. */
  readonly links?: readonly { readonly href: string; readonly text: string }[];
}

/** Nothing runs, nothing is loaded, nobody may frame it. */
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** The page as an answer. Everything in it is escaped, whoever said it. */
export function pageResponse({ title, lines, links = [] }: Page, status = 200): Response {
  const paragraphs = lines.map((line) => `<p>${escaped(line)}</p>`);
  const items = links.map(({ href, text }) => `<p><a href="${escaped(href)}">${escaped(text)}</a></p>`);
  const html =
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>${escaped(title)}</title><style>body{font:1rem/1.5 system-ui;margin:4rem auto;max-width:36rem;` +
    `padding:0 1rem}</style><h1>${escaped(title)}</h1>${[...paragraphs, ...items].join('')}</html>`;
  return new Response(html, { status, headers });
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (found) => entities[found]!);
