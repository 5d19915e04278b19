import { defer, isObservable, map, type Observable, type OperatorFunction, withLatestFrom } from 'rxjs';
import { BatchNorm } from '../core/batch-norm.ts';
import { Frozen, type GivenStatistics } from '../core/frozen.ts';
import { requireKnown, shown } from '../core/parameter.ts';
import { invertRow } from '../core/row-scale.ts';
import { requireFeatureNames, type SampleShape, sampleShape } from '../core/sample-shape.ts';
import { requireStandardizer, Standardizer } from '../core/standardizer.ts';
import { isStatistic, type Statistic, type StatisticFactory } from '../core/statistic.ts';
import type { Detail } from './detail.ts';

export interface DenormalizeOptions {
  /** The eps that the values were normalised with; 1e-5. */
  eps?: number;
  /** The weight that the values were normalised with; 1. */
  weight?: ArrayLike<number> | null;
  /** The bias that the values were normalised with; 0. */
  bias?: ArrayLike<number> | null;
  /** Names of the fields to bring back; required for records. */
  features?: readonly string[];
}

const OPTIONS = ['eps', 'weight', 'bias', 'features'] as const;

/**
 * Brings normalised values back to the scale they came from: `x = (y - bias)/weight·√(var + eps) + mean`.
 *
 * ```
 * source           --Z---Y--|
 * denormalize(bn)  --z---y--|
 * ```
 *
 * Without a statistic it takes the `Detail` rows of `normalize` or `batchNorm` and brings back the `value` of each by the
 * `stats` that it was made with, however far the statistics have moved on. The value may be another one by then, such as
 * what a model predicted. Only where it was clipped, or there was no spread, is x lost.
 *
 * With one it uses the statistics as they are when a value passes: those of a statistic (`frozen(…)`, or an instance that
 * something else updates), of a `BatchNorm` (its moving statistics, weight and bias), or the latest of an Observable of
 * `{ mean, variance }`, before whose first value nothing is emitted. Memory: nothing is kept.
 *
 * @throws TypeError for a factory such as `ewma()`, which has no numbers of its own, and for wrong options; a row that is
 *   no `Detail`, where those are asked for, is an error notification (TypeError)
 * @example of(2).pipe(denormalize(frozen({ mean: [10], std: [2] }), { eps: 0 })) // 14
 * @example of(1, 3, 4, 9).pipe(normalize(cumulative(), { detail: true }), denormalize()) // NaN NaN 4 9
 * @see normalize
 */
export function denormalize<S>(): OperatorFunction<Detail<S>, S>;
export function denormalize<S>(
  statistic: Statistic | StatisticFactory<S> | BatchNorm | Observable<GivenStatistics>,
  options?: DenormalizeOptions,
): OperatorFunction<S, S>;
export function denormalize<S>(
  ...given: [
    statistic?: Statistic | StatisticFactory<S> | BatchNorm | Observable<GivenStatistics>,
    options?: DenormalizeOptions,
  ]
): OperatorFunction<S, S> | OperatorFunction<Detail<S>, S> {
  // not `statistic === undefined`: a variable that is undefined by mistake must not change what the operator is
  if (given.length === 0) return map(pinned<S>('denormalize'));
  return byStatistic('denormalize', given[0], given[1]);
}

function byStatistic<S>(
  where: string,
  statistic: Statistic | StatisticFactory<S> | BatchNorm | Observable<GivenStatistics> | undefined,
  options: DenormalizeOptions = {},
): OperatorFunction<S, S> {
  requireKnown(where, options, OPTIONS);
  const { features, ...scaling } = options;
  requireFeatureNames(where, features);
  requireStandardizer(where, scaling);
  if (isObservable(statistic)) {
    return (source) =>
      defer(() => {
        const invert = inverter<S>(where, features);
        return source.pipe(
          withLatestFrom(statistic),
          map(([sample, given]) => invert(sample, () => new Standardizer(where, new Frozen(given), scaling))),
        );
      });
  }
  if (statistic instanceof BatchNorm) {
    const own = (['eps', 'weight', 'bias'] as const).find((name) => options[name] !== undefined);
    if (own !== undefined) throw new TypeError(`${where} takes ${own} from the BatchNorm, not as an option`);
    const names = features ?? statistic.names;
    return (source) =>
      defer(() => {
        const invert = inverter<S>(where, names);
        return source.pipe(map((sample) => invert(sample, () => statistic)));
      });
  }
  const fixed = isStatistic(statistic) ? statistic : undefined;
  const kind = (statistic as Partial<StatisticFactory>)?.kind;
  if (fixed === undefined && kind !== 'frozen') {
    throw new TypeError(
      `${where} requires a statistic that has numbers: frozen(…), an instance such as new Ewma(…), a BatchNorm or an ` +
        `Observable of { mean, variance }; got ${kind === undefined ? shown(statistic) : `${kind}()`}`,
    );
  }
  return (source) =>
    defer(() => {
      const invert = inverter<S>(where, features);
      let standardizer: Standardizer | undefined;
      return source.pipe(
        map((sample) =>
          invert(sample, (width) => {
            standardizer ??= new Standardizer(where, fixed ?? (statistic as StatisticFactory).create(width), scaling);
            return standardizer;
          }),
        ),
      );
    });
}

function inverter<S>(where: string, features: readonly string[] | undefined) {
  let shape: SampleShape<S> | undefined;
  return (sample: S, scaleOf: (width: number) => Standardizer | BatchNorm): S => {
    shape ??= sampleShape<S>(where, sample, features);
    if (shape === undefined) return sample;
    const scale = scaleOf(shape.width);
    const width = scale instanceof BatchNorm ? scale.features : scale.statistic.features;
    if (width !== shape.width) {
      throw new TypeError(`${where} has a statistic of ${width} features, the samples have ${shape.width}`);
    }
    const z = new Float64Array(width);
    shape.read(sample, z, 0);
    if (scale instanceof BatchNorm)
      return shape.write(sample, scale.inverse({ data: z, rows: 1, features: width }).data, 0);
    scale.invert(z, z);
    return shape.write(sample, z, 0);
  };
}

/** Each row by the statistics that it carries. */
function pinned<S>(where: string): (row: Detail<S>) => S {
  return (row) => {
    const { value, stats } = (row ?? {}) as Partial<Detail<S>>;
    if (!Array.isArray(stats?.mean) || !Array.isArray(stats.std)) {
      throw new TypeError(`${where} without a statistic requires the rows that detail: true makes, got ${shown(row)}`);
    }
    const { features, mean } = stats;
    // a record may have other fields each time
    const shape = mean.length === 0 ? undefined : sampleShape<S>(where, value, features);
    if (shape === undefined) return value as S;
    if (shape.width !== mean.length) {
      throw new TypeError(`${where} has statistics of ${mean.length} features, the value has ${shape.width}`);
    }
    const x = new Float64Array(shape.width);
    shape.read(value, x, 0);
    invertRow(x, stats, x);
    return shape.write(value as S, x, 0);
  };
}
