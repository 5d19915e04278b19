import { FLAG } from '../core/flags.ts';
import type { Method } from '../core/methods.ts';
import { ProducerGuard, type Reference } from '../core/producer-guard.ts';
import { StreamnormError } from '../errors.ts';
import type { Limits } from './config/limits.ts';
import type { GuardAction, ProducerGuardConfig } from './config/producer-guard.ts';
import type { Push } from './push.ts';

/** Rows of a producer were kept out, which is told once a minute. */
export interface Guarded {
  readonly producer: string;
  /** Since it was told last. */
  readonly rows: number;
  readonly action: GuardAction;
}

const TELL_EVERY_MS = 60_000;

interface Told {
  /** Rows kept out so far. */
  rows: number;
  toldRows: number;
  toldMs: number;
}

/** The guard of a channel against mad producers: what it keeps out, counted and told by producer. */
export class ChannelGuard {
  readonly #config: ProducerGuardConfig;
  readonly #guard: ProducerGuard;
  readonly #limits: Limits;
  readonly #tell: (guarded: Guarded) => void;
  readonly #told: Map<string, Told>;
  /** Rows of producers that are not counted by name. */
  #others: number;
  #flags: Uint16Array;

  constructor(config: ProducerGuardConfig, method: Method, limits: Limits, tell: (guarded: Guarded) => void) {
    const { maxZ, minSamples, releaseRows, releaseAfterMs } = config;
    this.#config = config;
    this.#guard = new ProducerGuard({
      maxZ,
      // given statistics have learned nothing
      minSamples: method === 'frozen' ? 0 : minSamples,
      releaseRows,
      releaseMs: releaseAfterMs,
      maxProducers: limits.maxProducers,
    });
    this.#limits = limits;
    this.#tell = tell;
    this.#told = new Map();
    this.#others = 0;
    this.#flags = new Uint16Array(1);
  }

  /**
   * Which rows are to be kept out, as flags; undefined when none is.
   *
   * @throws StreamnormError BAD_VALUE where such rows are refused
   */
  judge(producer: string, { data, rows }: Push, reference: Reference, nowMs: number): Uint16Array | undefined {
    if (this.#flags.length < rows) this.#flags = new Uint16Array(rows);
    const flags = this.#flags;
    const out = this.#guard.judge(producer, data, rows, reference, nowMs, flags);
    if (out === 0) return undefined;
    this.#count(producer, out, nowMs);
    const { action, maxZ } = this.#config;
    if (action === 'drop') for (let row = 0; row < rows; row++) if (flags[row] !== 0) flags[row] |= FLAG.dropped;
    if (action !== 'refuse') return flags;
    const row = flags.findIndex((bits) => bits !== 0);
    throw new StreamnormError(
      'BAD_VALUE',
      `row ${row} is more than ${maxZ} standard deviations from the mean of the channel (producerGuard)`,
      { row },
    );
  }

  /** Rows kept out so far, by producer; those of producers beyond `maxGuardedProducers` are under `''`. */
  get rows(): Record<string, number> {
    const named = Array.from(this.#told, ([producer, { rows }]) => [producer, rows] as const);
    return Object.fromEntries(this.#others === 0 ? named : [...named, ['', this.#others]]);
  }

  #count(producer: string, rows: number, nowMs: number): void {
    let told = this.#told.get(producer);
    if (told === undefined && this.#told.size >= this.#limits.maxGuardedProducers) {
      this.#others += rows;
      return;
    }
    if (told === undefined) {
      told = { rows: 0, toldRows: 0, toldMs: Number.NEGATIVE_INFINITY };
      this.#told.set(producer, told);
    }
    told.rows += rows;
    if (nowMs - told.toldMs < TELL_EVERY_MS) return;
    this.#tell({ producer, rows: told.rows - told.toldRows, action: this.#config.action });
    told.toldRows = told.rows;
    told.toldMs = nowMs;
  }
}
