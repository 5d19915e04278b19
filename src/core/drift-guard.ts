import type { DriftWatch } from './drift-watch.ts';
import type { StatisticState } from './state.ts';
import type { Statistic } from './statistic.ts';
import { isWeight } from './usable.ts';

/**
 * A statistic whose features are watched for drift, and that acts on it: with `'reset'`, the feature begins anew with the
 * row that shows the change; faster, it forgets `factor` times as fast from that row on.
 *
 * Idea: composition. Detectors see a row just before the statistic learns it, so whoever scores first scores the row that
 * shows the change by what was before it, and the next ones by what came after. The numbers are those of the statistic
 * inside, so scoring costs no more; what learns nothing (weight 0, no time) is not watched either.
 *
 * Its state is that of the statistic inside with a field `drift` more, which those who do not watch ignore.
 *
 * @throws TypeError when the statistic cannot do what is asked
 */
export class DriftGuard implements Statistic {
  readonly features: number;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly count: Float64Array;
  readonly byTime?: boolean;
  readonly exactScale?: boolean;
  readonly scaling?: NonNullable<Statistic['scaling']>;
  readonly weighted?: boolean;
  readonly statistic: Statistic;
  readonly watch: DriftWatch;
  #frozen: boolean;

  constructor(where: string, statistic: Statistic, watch: DriftWatch) {
    requireActing(where, statistic, watch);
    const { features, mean, variance, count, byTime, exactScale, scaling, weighted } = statistic;
    this.features = features;
    this.mean = mean;
    this.variance = variance;
    this.count = count;
    if (byTime !== undefined) this.byTime = byTime;
    if (exactScale !== undefined) this.exactScale = exactScale;
    if (scaling !== undefined) this.scaling = scaling;
    if (weighted !== undefined) this.weighted = weighted;
    this.statistic = statistic;
    this.watch = watch;
    this.#frozen = false;
  }

  get version(): number {
    return this.statistic.version;
  }

  get frozen(): boolean {
    return this.#frozen || this.statistic.frozen === true;
  }

  update(row: ArrayLike<number>, time?: number, weight = 1): void {
    const { statistic, watch } = this;
    const learns = !this.#frozen && weight !== 0 && isWeight(weight) && (this.byTime !== true || Number.isFinite(time));
    if (!learns) {
      watch.rows++;
      return;
    }
    const changed = watch.update(row);
    if (changed !== undefined && watch.action === 'reset') for (const j of changed) statistic.forget?.(j);
    if (watch.hurried !== undefined) {
      for (let j = 0; j < this.features; j++) {
        if (watch.hurries(j, row[j])) statistic.hasten?.(j, watch.factor, time);
      }
    }
    statistic.update(row, time, weight);
  }

  advance(time: number): void {
    this.statistic.advance?.(time);
  }

  nEff(feature: number): number {
    return this.statistic.nEff(feature);
  }

  freeze(): this {
    this.statistic.freeze?.();
    this.#frozen = true;
    return this;
  }

  unfreeze(): this {
    this.statistic.unfreeze?.();
    this.#frozen = false;
    return this;
  }

  state(): StatisticState {
    return { ...this.statistic.state(), drift: this.watch.state() } as StatisticState;
  }
}

/** @throws TypeError unless the statistic can do what the watch asks for */
function requireActing(where: string, statistic: Statistic, { action }: DriftWatch): void {
  if (action === 'tell') return;
  const name = statistic.constructor.name;
  if (action === 'reset' && statistic.forget === undefined) {
    throw new TypeError(`${where} takes onDrift 'reset' with a statistic that can forget, got ${name}`);
  }
  if (action === 'faster' && (statistic.hasten === undefined || !hasRate(statistic))) {
    throw new TypeError(
      `${where} takes onDrift { faster } with a statistic that has a rate, such as ewma({ halfLife: '30s' }), got ${name}`,
    );
  }
}

function hasRate(statistic: Statistic): boolean {
  const { rate } = statistic as { rate?: object };
  return rate !== undefined && !('cumulative' in rate);
}
