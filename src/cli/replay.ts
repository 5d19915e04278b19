import { defer, finalize, from, map, type Observable, tap } from 'rxjs';
import { sinkOver } from '../websocket/sink.ts';
import type { SocketOptions } from '../websocket/socket-options.ts';
import type { SocketStatus } from '../websocket/socket-status.ts';
import { wsTransport } from '../websocket/ws-socket.ts';
import type { BadLines } from './bad-lines.ts';
import type { Clock } from './clock.ts';
import { type RecordedRow, type RecordingOptions, recordedRows } from './recording.ts';
import { ReplaySchedule } from './replay-schedule.ts';

/** Messages that are made and not yet written; the sink would drop what it cannot keep. */
const MOST_UNWRITTEN = 16;
/** Rows that are due together go in one message, up to these. */
const MOST_ROWS = 1_000;
const MOST_BYTES = 128 * 1024;

export interface ReplayOptions extends Omit<RecordingOptions, 'timeless'> {
  readonly pace: { readonly rate: number } | { readonly speed: number };
  /** Begins again at the end, for ever. */
  readonly loop: boolean;
}

export interface ReplayParts {
  readonly clock: Clock;
  readonly bad: BadLines;
  /** Told what the socket does. */
  readonly status?: (event: SocketStatus) => void;
  /** How it shows who it is. */
  readonly client?: Pick<SocketOptions, 'headers' | 'ca'>;
}

/**
 * Plays a recording into a channel of a server over a WebSocket, as the live feed that it once was.
 *
 * Emits the number of rows of each message once it is written; completes at the end of the file when all is delivered.
 * Reads no further than it can write: while the socket is full or gone the recording stands still. Reconnects for ever;
 * what was on its way when a connection broke is lost. Errors as `toWebSocket`, and with `StreamnormError` `NO_INPUT` or
 * `DATA` for the file. Unsubscribing stops reading and closes the socket.
 *
 * @throws TypeError at call time when it is no URL of a WebSocket
 * @param url of the channel, `ws://host/in/<channel>`
 */
export function replay(
  file: string,
  url: string,
  { pace, loop, ...options }: ReplayOptions,
  { clock, bad, status, client }: ReplayParts,
): Observable<number> {
  const recording = { ...options, timeless: 'rate' in pace };
  const sink = sinkOver(wsTransport)<unknown[]>(url, { status, maxQueue: MOST_UNWRITTEN, ...client });
  return defer(() => {
    const stop = new AbortController();
    const gate = new Gate(MOST_UNWRITTEN);
    const passes = loop ? Number.POSITIVE_INFINITY : 1;
    const messages = messagesOf(
      (again) => recordedRows(file, recording, again ? bad.silent() : bad),
      pace,
      passes,
      clock,
      stop.signal,
    );
    return from(paused(messages, gate, stop.signal)).pipe(
      sink,
      tap(() => gate.leave()),
      map((rows) => rows.length),
      finalize(() => stop.abort()),
    );
  });
}

/** Values of rows that are due together, each time when they are. */
export async function* messagesOf(
  pass: (again: boolean) => AsyncIterable<RecordedRow[]>,
  pace: ReplayOptions['pace'],
  passes: number,
  clock: Clock,
  stop: AbortSignal,
): AsyncGenerator<unknown[]> {
  const schedule = new ReplaySchedule(pace);
  let startMs: number | undefined;
  let rows: unknown[] = [];
  let bytes = 0;
  for (let i = 0; i < passes && !stop.aborted; i++) {
    let any = false;
    for await (const chunk of pass(i > 0)) {
      for (const row of chunk) {
        any = true;
        startMs ??= clock.elapsed();
        const nowMs = clock.elapsed() - startMs;
        const dueMs = schedule.due(row.time, nowMs);
        if (rows.length > 0 && (dueMs > nowMs || rows.length === MOST_ROWS || bytes + row.bytes > MOST_BYTES)) {
          yield asMessage(rows);
          rows = [];
          bytes = 0;
        }
        const waitMs = dueMs - (clock.elapsed() - startMs);
        if (waitMs > 0) await pause(waitMs, clock, stop);
        if (stop.aborted) return;
        rows.push(row.value);
        bytes += row.bytes;
      }
    }
    // a file without rows would be read for ever
    if (!any) break;
    schedule.restart();
  }
  if (rows.length > 0) yield asMessage(rows);
}

/** Several numbers would be read as one row. */
function asMessage(rows: unknown[]): unknown[] {
  return rows.map((row) => (typeof row === 'number' ? [row] : row));
}

async function* paused<T>(source: AsyncIterable<T>, gate: Gate, stop: AbortSignal): AsyncGenerator<T> {
  for await (const item of source) {
    await gate.enter(stop);
    if (stop.aborted) return;
    yield item;
  }
}

function pause(ms: number, clock: Clock, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const callOff = clock.after(ms, () => {
      stop.removeEventListener('abort', end);
      resolve();
    });
    const end = () => {
      callOff();
      resolve();
    };
    stop.addEventListener('abort', end, { once: true });
  });
}

/** Lets in as many as there is room for; the others wait until one has left. */
class Gate {
  #room: number;
  #waiting: (() => void) | undefined;

  constructor(room: number) {
    this.#room = room;
    this.#waiting = undefined;
  }

  async enter(stop: AbortSignal): Promise<void> {
    if (this.#room === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        stop.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.#room -= 1;
  }

  leave(): void {
    this.#room += 1;
    this.#waiting?.();
    this.#waiting = undefined;
  }
}
