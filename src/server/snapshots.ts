import { orNull } from '../core/row-normalizer.ts';
import type { Channel } from './channel.ts';

/** What subscribers are told first. The long part is written once for all who come between two blocks. */
export class Snapshots {
  readonly #known: WeakMap<Channel, { seq: number; text: string }>;

  constructor() {
    this.#known = new WeakMap();
  }

  /**
   * The snapshot of a channel for a subscriber that has row `seq` and will get the next one first.
   *
   * @param recovered it goes on where `since` says it was
   * @param key whose rows it gets; absent: those of all
   */
  text(channel: Channel, seq: number, recovered: boolean, key?: string): string {
    const name = JSON.stringify(channel.name);
    const last = JSON.stringify(key === undefined ? lastRow(channel, seq) : lastRowOf(channel, seq, key));
    const drifts = channel.drifts.between(-1, seq, key);
    const known = drifts.length === 0 ? '' : `"drifts":${JSON.stringify(drifts)},`;
    const content = key === undefined ? this.#shared(channel) : contentOf(channel, key);
    return (
      `{"type":"snapshot","channel":${name},"epoch":"${channel.epoch}","seq":${seq},` +
      `${content},${known}"last":${last},"recovered":${recovered}}`
    );
  }

  #shared(channel: Channel): string {
    const known = this.#known.get(channel);
    // nothing of it moves without a row going out
    if (known !== undefined && known.seq === channel.seq) return known.text;
    channel.counters.snapshots++;
    const text = contentOf(channel);
    this.#known.set(channel, { seq: channel.seq, text });
    return text;
  }
}

/** Features, configuration and statistics, of all rows or of one key: null where that has none yet. */
function contentOf(channel: Channel, key?: string): string {
  const { state, stats } =
    key === undefined
      ? { state: channel.state(), stats: channel.report() }
      : (channel.ofKey(key) ?? { state: null, stats: null });
  const { features } = channel.config;
  return JSON.stringify({ features, config: describeConfig(channel), key, state, stats }).slice(1, -1);
}

/** The last row of a key up to `seq`; null when there is none in the history. */
function lastRowOf({ history }: Channel, seq: number, key: string): { t: number; z: (number | null)[] } | null {
  for (const block of history.newestFirst()) {
    if (block.seq > seq) continue;
    const { features, times, z, keys = [] } = block.content;
    const row = keys.lastIndexOf(key, Math.min(keys.length - 1, seq - block.seq));
    if (row >= 0) return { t: times[row], z: Array.from(z.subarray(row * features, (row + 1) * features), orNull) };
  }
  return null;
}

/** Row `seq`, which the subscriber may have seen; null when it is no longer known. */
function lastRow({ history }: Channel, seq: number): { t: number; z: (number | null)[]; k?: string } | null {
  const block = history.from(seq);
  if (block === undefined) return null;
  const { features, times, z, keys } = block.content;
  return { t: times[0], z: Array.from(z.subarray(0, features), orNull), ...(keys && { k: keys[0] }) };
}

/** What the world may know of a channel's configuration. */
export function describeConfig({ config }: Channel): object {
  const { features, method, options, time, keys, history, producerGuard } = config;
  return {
    features,
    method,
    ...options,
    ...(time !== undefined && { time }),
    ...(keys !== undefined && { key: keys.field }),
    ...(keys?.maxKeys !== undefined && { maxKeys: keys.maxKeys }),
    ...(keys?.idleMs !== undefined && { keyIdleMs: keys.idleMs }),
    history,
    ...(producerGuard && { producerGuard }),
  };
}
