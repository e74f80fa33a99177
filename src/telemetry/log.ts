/** The levels a line may have, least urgent first. */
export type Level = 'debug' | 'info' | 'warn' | 'error';

/** Values a log line may carry. Secrets never get this far: callers log labels, not keys. */
export type Fields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Where events go. One structured line each. */
export interface Log {
  (level: Level, event: string, fields?: Fields): void;
}
