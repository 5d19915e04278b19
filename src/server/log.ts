export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** From the quietest on: a log of a level holds that one and all after it. */
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Every event of the log, with its level and what it means. Alerts are written against these names: they stay. */
export const LOG_EVENTS = {
  listening: ['info', 'the server takes connections; `url`'],
  'channel.opened': ['info', 'a channel takes rows; `channel`, `in`, `out`, and `seq` and `epoch` it goes on from'],
  'channel.closed': ['info', 'a channel was taken out of the configuration; `channel`'],
  closing: ['info', 'no new connections; windows are closed, states saved, subscribers told'],
  closed: ['info', 'the last connection is gone'],
  'connection.opened': ['debug', 'a WebSocket; `role`, `channel`, `address`'],
  'connection.closed': ['debug', 'a WebSocket is gone; `role`, `channel`, `address`, `code`'],
  'connection.refused': ['warn', 'no WebSocket became of a request; `status` (or close code), `reason`, `address`'],
  'auth.unavailable': ['error', 'the keys of the issuer of JWTs cannot be had, so nobody with one gets in'],
  'auth.reloaded': ['info', 'files with tokens or keys have changed, and hold now'],
  'auth.kept': ['error', 'files with tokens or keys have changed and are wrong, so the former ones hold'],
  'tls.reloaded': ['info', 'the files of certificate and key have changed, and hold now; `validTo`'],
  'tls.kept': ['error', 'the files of certificate and key have changed and are wrong, so the former ones hold'],
  'tls.expired': ['error', 'the certificate has expired; `validTo`'],
  'auth.unencrypted': ['warn', 'tokens go over the network unencrypted'],
  'auth.pattern': ['warn', 'a token names channels that do not exist; `pattern`'],
  'message.refused': ['warn', 'a message had a fault; `channel`, `code`, `row`'],
  'producer.guarded': [
    'warn',
    'rows of a producer were kept out as far from all others, told once a minute for each; `channel`, `producer`, `rows`',
  ],
  'subscriber.evicted': ['warn', 'a subscriber was cut off for being too slow; `channel`, `from`, `to`'],
  'checkpoint.damaged': ['warn', 'a checkpoint was put aside for the one before it; `channel`'],
  'checkpoint.failed': ['error', 'a checkpoint could not be written, and the server goes on without; `channel`'],
  'checkpoint.recovered': ['info', 'checkpoints are written again; `failures` before that'],
  'config.reloaded': ['info', 'the configuration was read again and applied; `changed`, paths'],
  'config.refused': ['error', 'the configuration was read again and nothing of it applied'],
  'source.open': ['info', 'the source of a channel is connected; `channel`, `attempt`'],
  'source.closed': ['warn', 'the source of a channel is gone, and tried again; `channel`, `code`, `status`, `attempt`'],
  'source.hole': ['warn', 'rows of a source are missing; `channel`, `reason`, `missed` messages, `ms`'],
  'source.failed': ['error', 'the source of a channel has refused for good; `channel`'],
  'log.disconnected': ['warn', 'the connection to the broker is lost; what producers send waits'],
  'log.connected': ['info', 'the broker is there again'],
  'log.failed': ['warn', 'the log of a channel could not be read, and is read again; `channel`'],
  demo: ['info', 'what the producers of --demo say'],
  bug: ['error', "an exception in the server's own code, with its stack; the connection concerned is closed (1011)"],
} as const satisfies Record<string, readonly [LogLevel, string]>;

export type LogEvent = keyof typeof LOG_EVENTS;

/** One line of the log. It never holds what a client sent, nor a token. */
export interface LogEntry {
  readonly level: LogLevel;
  readonly event: LogEvent;
  /** The same for people, in one line. */
  readonly message: string;
  /** Facts by name, for machines. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The exception, where there is one. */
  readonly error?: unknown;
}

/** Where the log goes. */
export type LogSink = (entry: LogEntry) => void;

const WINDOW_MS = 60_000;

/**
 * The log of a server: entries of its level, each event at most so often in a minute, so that a flood of bad clients
 * fills no disk. What was left out is counted, and told when the minute is over.
 */
export class Log {
  level: LogLevel;
  maxPerMinute: number;
  /** Entries left out, by event. */
  readonly suppressed: Map<LogEvent, number>;
  /** Bugs so far, also those that were left out. */
  bugs: number;
  readonly #sink: LogSink;
  readonly #windows: Map<LogEvent, { count: number; left: number; timer: NodeJS.Timeout }>;

  constructor(sink: LogSink, level: LogLevel, maxPerMinute: number) {
    this.level = level;
    this.maxPerMinute = maxPerMinute;
    this.suppressed = new Map();
    this.bugs = 0;
    this.#sink = sink;
    this.#windows = new Map();
  }

  write(event: LogEvent, message: string, fields: LogEntry['fields'] = {}, error?: unknown): void {
    const [level] = LOG_EVENTS[event];
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.level)) return;
    let window = this.#windows.get(event);
    if (window === undefined) {
      const timer = setTimeout(() => this.#end(event), WINDOW_MS).unref();
      window = { count: 0, left: 0, timer };
      this.#windows.set(event, window);
    }
    window.count++;
    if (window.count > this.maxPerMinute) {
      window.left++;
      this.suppressed.set(event, (this.suppressed.get(event) ?? 0) + 1);
      return;
    }
    this.#put({ level, event, message, fields, ...(error !== undefined && { error }) });
  }

  bug(error: unknown): void {
    this.bugs++;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.write('bug', `a bug: ${text}`, {}, error);
  }

  /** Tells what was left out and is not told yet. */
  close(): void {
    for (const event of Array.from(this.#windows.keys())) this.#end(event);
  }

  #end(event: LogEvent): void {
    const window = this.#windows.get(event);
    if (window === undefined) return;
    clearTimeout(window.timer);
    this.#windows.delete(event);
    const { left } = window;
    if (left === 0) return;
    const [level] = LOG_EVENTS[event];
    this.#put({
      level,
      event,
      message: `${left} more entries of ${event} were left out`,
      fields: { suppressed: left },
    });
  }

  #put(entry: LogEntry): void {
    try {
      this.#sink(entry);
    } catch {
      // a log that fails must not stop the server, and there is nowhere left to tell it
    }
  }
}
