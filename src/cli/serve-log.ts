import type { Logger } from 'pino';
import type { LogEntry, LogSink } from '../server/log.ts';
import type { Host } from './host.ts';
import type { Notices } from './notices.ts';

/** Nothing that opens a door is ever put in the log; should it be by mistake, this is what is written. */
const SECRETS = ['authorization', 'cookie', 'password', 'secret', 'token'];

/** The log of `serve` on standard error. */
export interface ServeLog {
  readonly sink: LogSink;
  /** Resolves when everything is written. */
  flushed(): Promise<void>;
}

/** A line for people, as the other commands write them. */
export function prettyLog(notices: Notices): ServeLog {
  return { sink: ({ message }) => notices.line(message), flushed: async () => {} };
}

/** A line of JSON an entry. pino is loaded when the first is due, and after what the server does next. */
export function jsonLog(stderr: Host['stderr']): ServeLog {
  let logger: Logger | undefined;
  let waiting: LogEntry[] = [];
  let loading: Promise<void> | undefined;
  const write = ({ level, event, message, fields, error }: LogEntry) =>
    logger?.[level](
      { event, ...fields, ...(error !== undefined && { err: error }) },
      // the stack of a bug has a field of its own
      error === undefined ? message.replaceAll(/\n\s*/g, ' ') : message.split('\n', 1)[0],
    );
  const load = async () => {
    const { pino } = await import('pino');
    logger = pino(
      {
        level: 'debug',
        base: undefined,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        redact: SECRETS.flatMap((name) => [name, `*.${name}`]),
      },
      stderr,
    );
    for (const entry of waiting) write(entry);
    waiting = [];
  };
  return {
    sink(entry) {
      if (logger !== undefined) {
        write(entry);
        return;
      }
      waiting.push(entry);
      loading ??= new Promise((resolve) => setImmediate(resolve)).then(load);
    },
    flushed: async () => loading,
  };
}
