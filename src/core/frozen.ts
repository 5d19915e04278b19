import { StreamnormError } from '../errors.ts';
import type { BatchNormState } from './batch-norm.ts';
import { MinMax } from './min-max.ts';
import { MovingBatch } from './moving-batch.ts';
import { MovingBatchStats } from './moving-batch-stats.ts';
import { shown } from './parameter.ts';
import { Robust } from './robust.ts';
import { requireClip, requireEps, requireVector } from './scaling-options.ts';
import type { StatisticState } from './state.ts';
import type { Statistic, StatisticFactory } from './statistic.ts';
import { isUsable } from './usable.ts';

/** Numbers given once: a variance, or its root. */
export interface GivenStatistics {
  mean: ArrayLike<number>;
  variance?: ArrayLike<number>;
  std?: ArrayLike<number>;
}

/** How values come out, where the statistics are those of a layer that says so. */
export interface GivenScaling {
  readonly eps?: number;
  readonly clip?: number;
  readonly weight?: readonly number[];
  readonly bias?: readonly number[];
}

export interface FrozenState extends StatisticState {
  readonly format: 'streamnorm.frozen/1';
  readonly features: number;
  readonly mean: number[];
  readonly variance: number[];
  /** Present, and true, for those of `MinMax` and `Robust`. */
  readonly exactScale?: boolean;
  /** Of the layer that the numbers come from. */
  readonly eps?: number;
  readonly clip?: number;
  readonly weight?: readonly number[];
  readonly bias?: readonly number[];
}

/**
 * Given mean and variance that nothing ever moves. `update` does nothing.
 *
 * Takes `{ mean, variance }`, `{ mean, std }`, what the `state()` of a `BatchNorm`, `Ewma`, `Cumulative` or `Frozen`
 * returned: the numbers that it would have normalised with, eps, weight, bias and clip of a `BatchNorm` included, unless
 * `normalize` is given others; or a statistic, as it stands now. To stop a statistic that is
 * in use, and let it learn again later, call its own `freeze` and `unfreeze`.
 *
 * @throws TypeError for another form; StreamnormError STATE for numbers that are not finite or a negative variance
 * @example new Frozen({ mean: [10], std: [2] }).variance[0] // 4
 */
export class Frozen implements Statistic {
  readonly features: number;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly count: Float64Array;
  readonly version: number;
  readonly byTime: boolean;
  readonly weighted: boolean;
  readonly frozen: boolean;
  readonly exactScale: boolean;
  /** What `normalize` does unless it is told otherwise. */
  readonly scaling: GivenScaling;

  constructor(given: GivenStatistics | StatisticState) {
    const { mean, variance, exactScale = false } = numbersOf(given);
    if (mean.length < 1 || mean.length !== variance.length) {
      throw new TypeError(
        `frozen requires as many variances as means, at least one, got ${variance.length} and ${mean.length}`,
      );
    }
    for (let j = 0; j < mean.length; j++) {
      if (!isUsable(mean[j])) throw new StreamnormError('STATE', `frozen requires finite means, got ${mean[j]}`);
      if (!(variance[j] >= 0 && variance[j] < Number.POSITIVE_INFINITY)) {
        throw new StreamnormError('STATE', `frozen requires finite variances >= 0, got ${variance[j]}`);
      }
    }
    this.features = mean.length;
    this.mean = mean;
    this.variance = variance;
    this.count = new Float64Array(mean.length).fill(Number.POSITIVE_INFINITY);
    this.version = 0;
    this.byTime = false;
    this.weighted = true;
    this.frozen = true;
    this.exactScale = exactScale === true;
    this.scaling = scalingOf(given as GivenScaling & Partial<StatisticState>, mean.length);
  }

  update(): void {}

  nEff(): number {
    return Number.POSITIVE_INFINITY;
  }

  state(): FrozenState {
    return {
      format: 'streamnorm.frozen/1',
      features: this.features,
      mean: Array.from(this.mean),
      variance: Array.from(this.variance),
      ...(this.exactScale && { exactScale: true }),
      ...this.scaling,
    };
  }

  static from(state: StatisticState): Frozen {
    return new Frozen(state);
  }
}

/**
 * Given statistics for `normalize` and `denormalize`; see `Frozen`.
 *
 * @example of(14).pipe(normalize(frozen({ mean: [10], std: [2] }), { eps: 0 })) // 2
 */
export function frozen<S = unknown>(given: GivenStatistics | StatisticState): StatisticFactory<S> {
  const checked = new Frozen(given);
  return {
    kind: 'frozen',
    weighted: true,
    create: (features) => {
      if (features !== checked.features) {
        throw new TypeError(`frozen has ${checked.features} features, the samples have ${features}`);
      }
      return checked;
    },
  };
}

/** Of a state of a `BatchNorm`, or one of given numbers that came from there. */
function scalingOf(given: GivenScaling & Partial<StatisticState>, features: number): GivenScaling {
  const isLayer = given.format === 'streamnorm.batchnorm/1';
  if (!isLayer && given.format !== 'streamnorm.frozen/1') return {};
  try {
    const [weight, bias] = (['weight', 'bias'] as const).map((name) =>
      requireVector('frozen', name, given[name], features),
    );
    return {
      ...(given.eps !== undefined && { eps: requireEps('frozen', given.eps) }),
      ...(given.clip !== undefined && { clip: requireClip('frozen', given.clip) }),
      ...(weight && { weight: Array.from(weight) }),
      ...(bias && { bias: Array.from(bias) }),
    };
  } catch (cause) {
    throw new StreamnormError('STATE', (cause as Error).message, { cause });
  }
}

/** Saved states whose numbers are not plain fields: restored, to be read as `normalize` reads them. */
const RESTORED: Record<string, { from(state: unknown): Statistic }> = {
  'streamnorm.min-max/1': MinMax,
  'streamnorm.robust/1': Robust,
  'streamnorm.moving-batch/1': MovingBatch,
};

interface Numbers {
  mean: Float64Array;
  variance: Float64Array;
  exactScale?: boolean | undefined;
}

interface AnyState {
  format?: string;
  exactScale?: boolean;
  debias?: boolean;
  mean?: ArrayLike<number>;
  variance?: ArrayLike<number>;
  std?: ArrayLike<number>;
  runningMean?: ArrayLike<number>;
  runningVar?: ArrayLike<number>;
  m2?: ArrayLike<number>;
  weight?: ArrayLike<number>;
  count?: ArrayLike<number>;
}

function numbersOf(given: GivenStatistics | StatisticState): Numbers {
  const state = given as AnyState | null;
  if (typeof state === 'object' && state !== null) {
    const kind = Object.hasOwn(RESTORED, state.format ?? '') ? RESTORED[state.format as string] : undefined;
    if (kind !== undefined) {
      const { mean, variance, count, exactScale } = kind.from(state);
      if (count.every((n) => n >= 2)) return { mean: mean.slice(), variance: variance.slice(), exactScale };
      throw new StreamnormError(
        'STATE',
        `frozen requires at least two values of each feature, got ${Array.from(count)}`,
      );
    }
    if (state.debias && state.runningMean && state.runningVar) return debiased(given as BatchNormState);
    if (state.runningMean && state.runningVar) {
      return { mean: Float64Array.from(state.runningMean), variance: Float64Array.from(state.runningVar) };
    }
    if (state.mean && state.variance) {
      const { exactScale } = state;
      return { mean: Float64Array.from(state.mean), variance: Float64Array.from(state.variance), exactScale };
    }
    if (state.mean && state.std) {
      return { mean: Float64Array.from(state.mean), variance: Float64Array.from(state.std, squared) };
    }
    const weight = state.weight ?? state.count;
    if (state.mean && state.m2 && weight) {
      return {
        mean: Float64Array.from(state.mean),
        variance: Float64Array.from(state.m2, (m2, j) => m2 * (1 / weight[j])),
      };
    }
  }
  throw new TypeError(`frozen requires { mean, variance }, { mean, std } or a saved state, got ${shown(given)}`);
}

function squared(std: number): number {
  if (std < 0) throw new StreamnormError('STATE', `frozen requires std >= 0, got ${std}`);
  return std * std;
}

function debiased(state: BatchNormState): { mean: Float64Array; variance: Float64Array } {
  const { alpha, batches, runningMean, runningVar, meanBatches, varianceBatches } = state;
  const moving = new MovingBatchStats(runningMean.length, alpha === undefined ? { cumulative: true } : { alpha });
  moving.mean.set(runningMean);
  moving.variance.set(runningVar);
  moving.meanBatches.set(meanBatches ?? runningMean.map(() => batches));
  moving.varianceBatches.set(varianceBatches ?? runningMean.map(() => batches));
  return {
    mean: moving.mean.map((_, j) => moving.debiasedMean(j)),
    variance: moving.variance.map((_, j) => moving.debiasedVariance(j)),
  };
}
