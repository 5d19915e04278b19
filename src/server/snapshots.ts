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
   */
  text(channel: Channel, seq: number, recovered: boolean): string {
    const name = JSON.stringify(channel.name);
    const last = JSON.stringify(lastRow(channel, seq));
    return (
      `{"type":"snapshot","channel":${name},"epoch":"${channel.epoch}","seq":${seq},` +
      `${this.#shared(channel)},"last":${last},"recovered":${recovered}}`
    );
  }

  #shared(channel: Channel): string {
    const known = this.#known.get(channel);
    // nothing of it moves without a row going out
    if (known !== undefined && known.seq === channel.seq) return known.text;
    const text = JSON.stringify({
      features: channel.config.features,
      config: describeConfig(channel),
      state: channel.state(),
      stats: channel.report(),
    }).slice(1, -1);
    this.#known.set(channel, { seq: channel.seq, text });
    return text;
  }
}

/** Row `seq`, which the subscriber may have seen; null when it is no longer known. */
function lastRow({ history }: Channel, seq: number): { t: number; z: (number | null)[] } | null {
  const block = history.from(seq);
  if (block === undefined) return null;
  const { features, times, z } = block.content;
  return { t: times[0], z: Array.from(z.subarray(0, features), orNull) };
}

/** What the world may know of a channel's configuration. */
export function describeConfig({ config }: Channel): object {
  const { features, method, options, time, history } = config;
  return {
    features,
    method,
    ...options,
    ...(time !== undefined && { time }),
    history,
  };
}
