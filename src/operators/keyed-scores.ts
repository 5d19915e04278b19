import type { SchedulerLike } from 'rxjs';
import { type SampleShape, sampleShape } from '../core/sample-shape.ts';
import { Standardizer } from '../core/standardizer.ts';
import type { StatisticState } from '../core/state.ts';
import type { Statistic } from '../core/statistic.ts';
import { StatisticSlots } from '../core/statistic-slots.ts';
import type { KeyedForm } from './keyed-form.ts';

type TimeOf<S> = KeyedForm<S>['factory']['timeOf'];

/** What `normalize` does, for many keys: samples of one form, the same options, a statistic for each slot. */
export class KeyedScores<S> {
  readonly settings: string;
  readonly scheduler: SchedulerLike;
  readonly #form: KeyedForm<S>;
  readonly #first: S;
  readonly #shape: SampleShape<S>;
  readonly #standardizer: Standardizer;
  readonly #slots: StatisticSlots;
  readonly #timed: boolean;
  /** Of keys whose operator brought another function than that of the first. */
  readonly #timeOf: Map<number, TimeOf<S>>;
  readonly #x: Float64Array;
  readonly #z: Float64Array;

  private constructor(form: KeyedForm<S>, settings: string, first: S, shape: SampleShape<S>) {
    const { where, factory, scaling, scheduler } = form;
    this.settings = settings;
    this.scheduler = scheduler;
    this.#form = form;
    this.#first = first;
    this.#shape = shape;
    this.#standardizer = new Standardizer(where, factory.create(shape.width), scaling);
    this.#slots = new StatisticSlots(() => factory.create(shape.width));
    this.#timed = this.#standardizer.statistic.byTime !== false;
    this.#timeOf = new Map();
    this.#x = new Float64Array(shape.width);
    this.#z = new Float64Array(shape.width);
  }

  /**
   * Undefined when the sample does not say what samples look like.
   *
   * @throws TypeError, RangeError as `normalize` does at its first sample
   */
  static of<S>(form: KeyedForm<S>, settings: string, first: S): KeyedScores<S> | undefined {
    const shape = sampleShape<S>(form.where, first, form.features);
    return shape && new KeyedScores(form, settings, first, shape);
  }

  /** Whether a stream that begins with this sample has the same form. */
  fits(sample: unknown): boolean {
    const first: unknown = this.#first;
    if (typeof sample !== 'object' || sample === null) return typeof sample === 'number' && typeof first === 'number';
    if (Array.isArray(sample)) return Array.isArray(first) && first.length === sample.length;
    if (ArrayBuffer.isView(sample)) {
      return first?.constructor === sample.constructor && this.#shape.width === (sample as Float64Array).length;
    }
    return typeof first === 'object' && !Array.isArray(first) && !ArrayBuffer.isView(first);
  }

  /** @param saved a state to go on from, if it is one of this statistic; else the key begins anew */
  open(slot: number, { factory }: KeyedForm<S>, saved: unknown): void {
    if (factory.timeOf !== this.#form.factory.timeOf) this.#timeOf.set(slot, factory.timeOf);
    if (factory.restore !== undefined && this.#isState(saved)) this.#slots.put(slot, this.#restored(saved));
    else this.#slots.open(slot);
  }

  /** Scores and learns a sample; what comes out. */
  step(slot: number, sample: S): S {
    const shape = this.#shape;
    const standardizer = this.#standardizer;
    const fits = shape.read(sample, this.#x, 0);
    const time = this.#timed ? this.#time(slot, sample, fits) : Number.NaN;
    standardizer.statistic = this.#slots.take(slot);
    standardizer.step(this.#x, this.#z, time);
    this.#slots.give(slot);
    return shape.write(sample, this.#z, 0);
  }

  state(slot: number): StatisticState {
    return this.#slots.take(slot).state();
  }

  close(slot: number): void {
    this.#slots.close(slot);
    this.#timeOf.delete(slot);
  }

  #time(slot: number, sample: S, fits: boolean): number {
    const timeOf = this.#timeOf.size > 0 && this.#timeOf.has(slot) ? this.#timeOf.get(slot) : this.#form.factory.timeOf;
    return fits && timeOf !== undefined ? timeOf(sample) : this.scheduler.now();
  }

  #isState(saved: unknown): boolean {
    const format = (saved as Partial<StatisticState> | null | undefined)?.format;
    return format !== undefined && format === this.#form.factory.create(1).state().format;
  }

  #restored(saved: unknown): Statistic {
    const { where, factory } = this.#form;
    const statistic = factory.restore?.(saved) as Statistic;
    if (statistic.features === this.#shape.width) return statistic;
    throw new TypeError(
      `${where} has a statistic of ${statistic.features} features, the samples have ${this.#shape.width}`,
    );
  }
}
