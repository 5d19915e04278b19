import { Observable } from 'rxjs';
import type { StatisticsReport } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import type { Channel } from './channel.ts';
import type { DriftMessage } from './drift-log.ts';
import { readJsonPush } from './push.ts';

/** A normalised row, as it goes out. */
export interface OutgoingRow {
  seq: number;
  /** ms since 1970. */
  t: number;
  /** NaN where there is no value. */
  z: number[];
  raw: number[];
  /** Its key, where the channel has keys. */
  k?: string;
}

/** A channel from within the process that serves it. */
export interface ChannelHandle {
  readonly name: string;
  readonly epoch: string;
  /** Number of the last row that went out. */
  readonly seq: number;
  /** Rows from now on, as they go out; completes when the server closes. */
  readonly rows$: Observable<OutgoingRow>;
  /** Changes of means from now on, where the channel is watched; completes when the server closes. */
  readonly drifts$: Observable<DriftMessage>;
  /**
   * Takes what a producer may send as JSON: a sample, many, or a push with producer and seq.
   *
   * @returns false when that push had been applied before; with `nats` a promise, which resolves when the broker has it
   * @throws StreamnormError BAD_JSON, BAD_DIM, BAD_VALUE, OVERLOADED once the server closes; nothing has changed then
   */
  push(message: unknown): boolean | Promise<boolean>;
  /** Of a channel with keys the mean and std are null: ask for those of a key. */
  report(): StatisticsReport;
  state(): StatisticState;
  /** Where the statistics of a key stand; undefined for one that has none, or where the channel has no keys. */
  ofKey(key: string): { state: StatisticState; stats: StatisticsReport } | undefined;
}

export function channelHandle(channel: Channel): ChannelHandle {
  return {
    name: channel.name,
    epoch: channel.epoch,
    get seq() {
      return channel.seq;
    },
    rows$: new Observable((subscriber) =>
      channel.listen({
        next({ seq, content: { rows, features, z, raw, times, keys } }) {
          for (let row = 0; row < rows; row++) {
            const [from, to] = [row * features, (row + 1) * features];
            subscriber.next({
              seq: seq + row,
              t: times[row],
              z: Array.from(z.subarray(from, to)),
              raw: Array.from(raw.subarray(from, to)),
              ...(keys && { k: keys[row] }),
            });
          }
        },
        complete: () => subscriber.complete(),
      }),
    ),
    drifts$: new Observable((subscriber) =>
      channel.listen({
        next({ seq, lastSeq }) {
          for (const drift of channel.drifts.between(seq - 1, lastSeq)) subscriber.next(drift);
        },
        complete: () => subscriber.complete(),
      }),
    ),
    push(message) {
      const { features, time, keys } = channel.config;
      const form = { features, time, key: keys?.field, maxRows: Number.POSITIVE_INFINITY };
      // through JSON, so that it is read and refused just as from a socket
      return channel.push(readJsonPush(jsonOf(message), form, Date.now()));
    },
    report: () => channel.report(),
    state: () => channel.state(),
    ofKey: (key) => channel.ofKey(key),
  };
}

function jsonOf(message: unknown): string {
  try {
    return JSON.stringify(message, (_, value) =>
      ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value,
    );
  } catch (cause) {
    throw new StreamnormError('BAD_JSON', `the message has no JSON: ${(cause as Error).message.slice(0, 120)}`, {
      cause,
    });
  }
}
