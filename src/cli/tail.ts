import { concatMap, defer, type Observable } from 'rxjs';
import type { Frame } from '../websocket/frame.ts';
import { checkedUrl, type SocketOptions } from '../websocket/socket-options.ts';
import type { SocketStatus } from '../websocket/socket-status.ts';
import { sourceOver } from '../websocket/source.ts';
import { wsTransport } from '../websocket/ws-socket.ts';

/** What a subscriber of a channel hears, in order. */
export type TailEvent =
  /** A row, as a line of JSON. */
  | { readonly type: 'row'; readonly line: string }
  /** A message as it came, for `raw`. */
  | { readonly type: 'message'; readonly line: string; readonly rows: number }
  /** What is no row, in words. */
  | { readonly type: 'notice'; readonly text: string };

interface Snapshot {
  readonly type: 'snapshot';
  readonly epoch: string;
  readonly seq: number;
}

interface Next {
  readonly type: 'next';
  readonly seq: number;
  readonly t: readonly number[];
  readonly z?: readonly (readonly (number | null)[])[];
  readonly raw?: readonly (readonly (number | null)[])[];
  readonly flags?: readonly (readonly string[])[];
  readonly skipped?: number;
}

/**
 * Follows a channel: every row once, in order. After a break it asks to go on after the last row that it has; what the
 * server no longer has is told as a gap, rows that come twice are left out.
 *
 * Errors as `fromWebSocket`; never completes.
 *
 * @param url `ws://host/out/<channel>`, with any parameters of the wire
 * @param raw passes messages on whole
 * @param client how it shows who it is
 */
export function tail(
  url: string,
  raw: boolean,
  status?: (event: SocketStatus) => void,
  client: Pick<SocketOptions, 'headers' | 'ca'> = {},
): Observable<TailEvent> {
  checkedUrl('tail', url);
  return defer(() => {
    const position = new Position(url);
    const source = sourceOver(wsTransport)<unknown>(() => position.url, {
      samples: (message, frame) => [frame === undefined ? message : nextOf(frame, url)],
      status,
      ...client,
    });
    return source.pipe(concatMap((message) => position.read(message as object, raw)));
  });
}

/** Where in the channel it is: the epoch, and the last row seen of it. */
class Position {
  readonly #given: string;
  #epoch: string | undefined;
  #seq: number | undefined;

  constructor(url: string) {
    this.#given = url;
    this.#epoch = undefined;
    this.#seq = undefined;
  }

  get url(): string {
    if (this.#epoch === undefined || this.#seq === undefined) return this.#given;
    const url = new URL(this.#given);
    url.searchParams.set('since', `${this.#epoch}.${this.#seq}`);
    return url.href;
  }

  read(message: object, raw: boolean): TailEvent[] {
    const { type } = message as { type?: unknown };
    const rows = type === 'next' ? this.#rowsOf(message as Next) : [];
    if (raw) {
      const known = type === 'next' && rows.length === 0;
      if (type === 'snapshot') this.#resume(message as Snapshot);
      return known ? [] : [{ type: 'message', line: JSON.stringify(message), rows: rows.length }];
    }
    if (type === 'next') return rows;
    if (type === 'snapshot') return this.#resume(message as Snapshot);
    const text = noticeOf(message as Record<string, unknown>);
    return text === undefined ? [] : [{ type: 'notice', text }];
  }

  #resume({ epoch, seq }: Snapshot): TailEvent[] {
    const isNew = this.#epoch !== undefined && this.#epoch !== epoch;
    this.#epoch = epoch;
    this.#seq = isNew ? seq : Math.max(seq, this.#seq ?? 0);
    return isNew
      ? [{ type: 'notice', text: `the channel began anew (epoch ${epoch}); rows before its row ${seq + 1} are lost` }]
      : [];
  }

  #rowsOf({ seq, t, z, raw, flags, skipped }: Next): TailEvent[] {
    const events: TailEvent[] = [];
    if (skipped !== undefined && skipped > 0)
      events.push({ type: 'notice', text: `${skipped} rows before row ${seq} were skipped: reading is too slow` });
    t.forEach((time, i) => {
      if (this.#seq !== undefined && seq + i <= this.#seq) return;
      const line = JSON.stringify({ seq: seq + i, t: time, z: z?.[i], raw: raw?.[i], flags: flags?.[i] });
      events.push({ type: 'row', line });
    });
    this.#seq = Math.max(this.#seq ?? 0, seq + t.length - 1);
    return events;
  }
}

/** A binary frame, in the form that JSON has. */
function nextOf({ seq, rows, columns, values, times, time, skipped }: Frame, url: string): Next {
  const raw = new URL(url).searchParams.get('include') === 'raw';
  const matrix = Array.from({ length: rows }, (_, i) =>
    Array.from(values.subarray(i * columns, (i + 1) * columns), (x) => (Number.isFinite(x) ? x : null)),
  );
  const t = times === undefined ? new Array<number>(rows).fill(time) : Array.from(times);
  return { type: 'next', seq, t, ...(raw ? { raw: matrix } : { z: matrix }), skipped };
}

function noticeOf(message: Record<string, unknown>): string | undefined {
  const { type, from, to, reason, code, retryAfterMs, seq, feature } = message;
  switch (type) {
    case 'heartbeat':
      return undefined;
    case 'gap':
      if (reason === 'upstream') {
        const much = typeof message.missed === 'number' ? `${message.missed} messages` : 'rows';
        return `${much} of the source are missing before row ${from}`;
      }
      return `rows ${from} to ${to} are missing (${reason})`;
    case 'bye':
      return `the server is going (${code})${typeof retryAfterMs === 'number' ? `, back in about ${Math.ceil(retryAfterMs / 1000)} s` : ''}`;
    case 'drift':
      return `drift of ${feature} at row ${seq}`;
    case 'error':
      return `the server says ${code}: ${message.message}`;
    default:
      return undefined;
  }
}
