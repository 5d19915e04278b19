import type { Channel } from './channel.ts';
import type { Checkpoint, CheckpointStore } from './checkpoint.ts';
import { Histogram } from './histogram.ts';
import type { Log } from './log.ts';

/** Saves changed channels at intervals. A disk that fails degrades the server; it does not stop it. */
export class Checkpointer {
  readonly #store: CheckpointStore;
  readonly #channels: ReadonlyMap<string, Channel>;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** Why a checkpoint could not be written; undefined when the last of each channel is on disk. */
  failure: string | undefined;
  failures: number;
  /** Seconds that each checkpoint took to be on disk. */
  readonly durations: Histogram;
  #failuresInARow: number;
  #lastMs: number;

  constructor(store: CheckpointStore, channels: ReadonlyMap<string, Channel>, log: Log) {
    this.#store = store;
    this.#channels = channels;
    this.#log = log;
    this.#timer = undefined;
    this.#running = undefined;
    this.failure = undefined;
    this.failures = 0;
    this.durations = new Histogram([0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 30]);
    this.#failuresInARow = 0;
    this.#lastMs = performance.now();
  }

  get ageMs(): number {
    return performance.now() - this.#lastMs;
  }

  /** Saves now, and from then on every `everyMs`. */
  async start(everyMs: number): Promise<void> {
    this.#timer = setInterval(() => void this.save(), everyMs);
    await this.save();
  }

  /** Saves what has changed. One round at a time: a slow disk is not asked twice. */
  save(): Promise<void> {
    this.#running ??= this.#round(false).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Saves a checkpoint before it returns. */
  saveNow(checkpoint: Checkpoint): void {
    const startMs = performance.now();
    try {
      this.#store.saveNow(checkpoint);
      this.durations.observe((performance.now() - startMs) / 1_000);
    } catch (error) {
      this.#failed(checkpoint.channel, error);
    }
  }

  /** The last checkpoint of a channel that is no longer among the channels. */
  async retire(channel: Channel): Promise<void> {
    await this.#running;
    await this.#save(channel, true);
  }

  /** The last round: nothing will be sent any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
    await this.#round(true);
  }

  async #round(orderly: boolean): Promise<void> {
    const failuresBefore = this.failures;
    for (const channel of this.#channels.values()) {
      if (!channel.changed && !orderly) continue;
      await this.#save(channel, orderly);
    }
    if (this.failures > failuresBefore) return;
    if (this.failure !== undefined) {
      const failures = this.#failuresInARow;
      this.#log.write('checkpoint.recovered', `checkpoints are written again, after ${failures} failed`, { failures });
    }
    this.failure = undefined;
    this.#failuresInARow = 0;
    this.#lastMs = performance.now();
  }

  async #save(channel: Channel, orderly: boolean): Promise<void> {
    const checkpoint = channel.checkpoint(orderly);
    // at the same moment: both are of the same row
    const keys = channel.keyed?.snapshot();
    const startMs = performance.now();
    try {
      await this.#store.save(checkpoint, keys);
      this.durations.observe((performance.now() - startMs) / 1_000);
      channel.saved(checkpoint);
    } catch (error) {
      this.#failed(channel.name, error);
    } finally {
      channel.keyed?.endSnapshot();
    }
  }

  #failed(channel: string, error: unknown): void {
    this.failures++;
    this.#failuresInARow++;
    this.failure = `the checkpoint of channel ${channel} cannot be written: ${(error as Error).message}`;
    this.#log.write('checkpoint.failed', this.failure, { channel });
    this.#channels.get(channel)?.notSaved();
  }
}
