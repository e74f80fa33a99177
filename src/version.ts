import { version } from '../package.json';

/** The program's version as package.json states it; compiled into the binary. */
export { version };

declare const BUILD_COMMIT: string | undefined;
declare const BUILD_DATE: string | undefined;

/** The commit that the binary was built from; `source` when the program runs from its sources. */
export const commit: string = typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : 'source';

/** When the binary was built, ISO 8601; `source` when the program runs from its sources. */
export const buildDate: string = typeof BUILD_DATE === 'string' ? BUILD_DATE : 'source';

/** How this gateway introduces itself to every upstream. */
export const userAgent = `cliproxyapi++/${version}`;
