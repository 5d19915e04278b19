import { batchKernel } from './batch-kernel.ts';
import { BatchSummary } from './batch-summary.ts';
import { isConstantFeature } from './constant-feature.ts';
import { requireSameNames, widthAndNames } from './feature-names.ts';
import { FLAG } from './flags.ts';
import { lacksValue, MISSING, type Missing, requireValues, withoutIncomplete } from './missing-values.ts';
import { MovingBatchStats } from './moving-batch-stats.ts';
import { requireBoolean, requireKnown, requireOneOf, shown } from './parameter.ts';
import { RATE_OPTIONS, type RateOptions, rateByCount } from './rate.ts';
import { type Renorm, type RenormOptions, type RenormState, readRenorm, renormState, requireRenorm } from './renorm.ts';
import { isRows, type Rows, requireRows } from './rows.ts';
import { type Sample, sampleShape } from './sample-shape.ts';
import { DEFAULT_EPS, requireClip, requireEps, requireVector } from './scaling-options.ts';
import { StateReader, type StatisticState } from './state.ts';
import { isUsable, MAX_MAGNITUDE } from './usable.ts';

export interface BatchNormOptions extends RateOptions {
  /** How many, or their names (required for records). */
  features: number | readonly string[];
  /** Added to the variance before the root; 1e-5. */
  eps?: number;
  /** Factor of each feature after scaling (gamma); 1. */
  weight?: ArrayLike<number> | null;
  /** Summand of each feature after scaling (beta); 0. */
  bias?: ArrayLike<number> | null;
  /** Cuts (x - mean)/std to ±clip, before weight and bias; not cut. */
  clip?: number;
  /** A batch of one: `'flag'` moves the mean only and flags the row (default), `'error'` throws as PyTorch does. */
  single?: 'flag' | 'error';
  /** Takes the weight of the start values 0 and 1 out of the moving statistics that `transform` uses; false. */
  debias?: boolean;
  /** Corrects what `train` makes of a batch towards the moving statistics: batch renormalization; not corrected. */
  renorm?: RenormOptions;
  /** What becomes of a row that lacks a value: `'nan'` (default), `'error'`, `'dropRow'` or `'mean'`. */
  missing?: Missing;
}

/** The saved form of a `BatchNorm`. */
export interface BatchNormState extends StatisticState {
  readonly format: 'streamnorm.batchnorm/1';
  readonly features: number | readonly string[];
  readonly alpha?: number;
  readonly cumulative?: true;
  readonly eps: number;
  readonly runningMean: number[];
  readonly runningVar: number[];
  readonly batches: number;
  readonly samples: number;
  readonly weight: number[] | null;
  readonly bias: number[] | null;
  readonly clip?: number;
  readonly single?: 'error';
  readonly debias?: true;
  readonly renorm?: RenormState;
  readonly missing?: Missing;
  readonly frozen?: true;
  /** Batches that moved each feature's mean and variance; only where they differ from `batches`. */
  readonly meanBatches?: number[];
  readonly varianceBatches?: number[];
  /** Which features begin anew with their next batch, as `MovingBatchStats` counts them; only while some do. */
  readonly anew?: number[];
}

export const BATCH_NORM_OPTIONS = [
  ...RATE_OPTIONS,
  ...(['eps', 'weight', 'bias', 'clip', 'single', 'debias', 'renorm', 'missing'] as const),
] as const;

const FORMAT = 'streamnorm.batchnorm/1';
const NO_ROWS = { data: new Float64Array(0), rows: 0 };

/**
 * Batch normalization of a stream, with PyTorch's numbers.
 *
 * `train` normalises a batch by its own mean and *biased* variance, `y = (x - mean)/√(var + eps)·weight + bias`, and
 * moves `runningMean` and `runningVar` (from 0 and 1) by its mean and *unbiased* variance. `transform` normalises by the
 * moving statistics instead, so that a live sample need not wait for a batch.
 *
 * `runningVar` averages the variance *within* batches: for a stream that drifts it is smaller than the variance of the
 * stream, and z from `transform` comes out too large.
 *
 * With `renorm` the output of `train` is `((x - mean)/√(var + eps)·r + d)·weight + bias`, where the moving statistics
 * before the batch, μ and σ = √(runningVar + eps), give `r = σ_B/σ` within [1/rMax, rMax] and `d = (mean - μ)/σ` within
 * ±dMax. Rows of small windows so depend less on whom they share a window with: r = 1, d = 0 is batch normalization, and
 * without bounds it is what `transform` said before the batch. A batch of one, or without spread, comes out as d. Before
 * the first batch, and where the moving statistics have no spread, there is nothing to correct by: r = 1, d = 0.
 *
 * NaN, null and absent values stay NaN and change nothing; infinite ones and those that would overflow come out as NaN;
 * a feature without spread comes out as 0 (its bias). A batch without usable values is not counted (PyTorch counts it).
 *
 * Sources: S. Ioffe, C. Szegedy, "Batch Normalization", 2015, https://arxiv.org/abs/1502.03167; S. Ioffe, "Batch
 * Renormalization", 2017, https://arxiv.org/abs/1702.03275; `torch.nn.BatchNorm1d`, `torch.nn.SyncBatchNorm`.
 * Cost: three passes over a batch; memory 10 float64 a feature.
 *
 * @example
 * const bn = new BatchNorm({ features: 2, alpha: 0.1 });
 * bn.train([[1, 1000], [2, 2000]]); // [[-0.99998…, -0.99999…], [0.99998…, 0.99999…]]
 * bn.runningMean; // [0.15…, 150]
 * bn.transform([[3, 3000]]); // [[2.9…, 12.7…]]
 */
export class BatchNorm {
  readonly features: number;
  readonly names: readonly string[] | undefined;
  readonly eps: number;
  readonly weight: Float64Array | null;
  readonly bias: Float64Array | null;
  readonly clip: number;
  readonly renorm: Renorm | null;
  readonly missing: Missing;
  /** Statistics of the last batch that `train` or `learn` saw. */
  readonly batch: BatchSummary;
  /** Rows that moved the statistics. */
  samples: number;
  readonly #moving: MovingBatchStats;
  readonly #single: 'flag' | 'error';
  readonly #debias: boolean;
  #frozen: boolean;
  readonly #mean: Float64Array;
  readonly #invStd: Float64Array;
  /** Added to z: the d of batch renormalization. */
  readonly #shift: Float64Array;
  readonly #featureFlags: Uint8Array;

  /** @throws TypeError, RangeError for wrong options */
  constructor(options: BatchNormOptions) {
    const where = 'BatchNorm';
    requireKnown(where, options, ['features', ...BATCH_NORM_OPTIONS, 'momentum']);
    const { width, names } = widthAndNames(where, options.features);
    this.features = width;
    this.names = names;
    this.#moving = new MovingBatchStats(this.features, rateByCount(where, options));
    this.eps = requireEps(where, options.eps ?? DEFAULT_EPS);
    this.weight = requireVector(where, 'weight', options.weight, this.features);
    this.bias = requireVector(where, 'bias', options.bias, this.features);
    this.clip = requireClip(where, options.clip ?? Number.POSITIVE_INFINITY);
    this.#single = requireOneOf(where, 'single', options.single ?? 'flag', ['flag', 'error']);
    this.#debias = requireBoolean(where, 'debias', options.debias ?? false);
    this.renorm = requireRenorm(where, options.renorm);
    this.missing = requireOneOf(where, 'missing', options.missing ?? 'nan', MISSING);
    this.#frozen = false;
    this.samples = 0;
    this.batch = new BatchSummary(this.features);
    this.#mean = new Float64Array(this.features);
    this.#invStd = new Float64Array(this.features);
    this.#shift = new Float64Array(this.features);
    this.#featureFlags = new Uint8Array(this.features);
  }

  /** Moving mean of the batch means, from 0. */
  get runningMean(): Float64Array {
    return this.#moving.mean;
  }

  /** Moving mean of the unbiased batch variances, from 1. */
  get runningVar(): Float64Array {
    return this.#moving.variance;
  }

  /** Batches learned: the version of the statistics. */
  get batches(): number {
    return this.#moving.batches;
  }

  /** Mean and variance of a feature that `transform` uses: debiased with `debias`, NaN then before the first batch. */
  moving(feature: number): { mean: number; variance: number } {
    const [mean, variance] = this.#movingNumbers(feature);
    return { mean, variance };
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /**
   * Normalises a batch by its own statistics and moves the moving ones.
   *
   * @param whole the batch of which `rows` are a part, when it is spread over shards: summaries of all parts, merged.
   *   Each shard that calls `train(part, whole)` then moves alike, as SyncBatchNorm does
   * @returns rows of the form that came in; `Rows` in new memory
   * @throws RangeError for a batch of one with `single: 'error'`, a missing value with `missing: 'error'`, or rows of
   *   another width; then nothing has moved
   */
  train(rows: Rows, whole?: BatchSummary): Rows;
  train(rows: readonly number[], whole?: BatchSummary): number[];
  train<S extends Sample>(rows: readonly S[], whole?: BatchSummary): S[];
  train<S extends Sample>(rows: Rows | readonly S[], whole?: BatchSummary): Rows | S[] {
    return this.#mapped('train', rows, (batch, out) => this.trainInto(batch, out, undefined, whole));
  }

  /**
   * Moves the moving statistics only; nothing is normalised. A `BatchSummary` is a batch that was summarised elsewhere;
   * summaries of its parts, as of shards, are one batch when they are merged.
   */
  learn(rows: Rows | BatchSummary | readonly Sample[]): void {
    if (rows instanceof BatchSummary) {
      this.#move(this.#summarize(undefined, rows, 0));
      return;
    }
    const { batch, dropped } = this.#usableRows(
      'learn',
      isRows(rows) ? this.#checked('learn', rows) : this.#read('learn', rows).batch,
    );
    this.#move(this.#summarize(batch, undefined, dropped));
  }

  /**
   * Adds what another one has learned: as if this one had learned its batches too. Exact, in any order and any tree, with
   * a cumulative rate; see `MovingBatchStats.merge` for what it is with alpha. One that has learned nothing changes
   * nothing. Parts of one batch are merged before they are learned instead: `BatchSummary.merge`.
   *
   * @throws TypeError for other features or another rate
   */
  merge(other: BatchNorm): this {
    if (!(other instanceof BatchNorm)) {
      throw new TypeError(`BatchNorm.merge requires a BatchNorm, got ${shown(other)}`);
    }
    requireSameNames('BatchNorm.merge', this.names, other.names);
    if (this.#frozen) return this;
    this.#moving.merge(other.#moving);
    this.samples += other.samples;
    return this;
  }

  /** Normalises by the moving statistics; nothing moves. NaN before the first batch with `debias`. */
  transform(rows: Rows): Rows;
  transform(rows: readonly number[]): number[];
  transform<S extends Sample>(rows: readonly S[]): S[];
  transform<S extends Sample>(rows: Rows | readonly S[]): Rows | S[] {
    return this.#mapped('transform', rows, (batch, out) => this.transformInto(batch, out));
  }

  /** The x whose `transform` is y. A feature with weight 0 comes out as NaN. */
  inverse(rows: Rows): Rows;
  inverse(rows: readonly number[]): number[];
  inverse<S extends Sample>(rows: readonly S[]): S[];
  inverse<S extends Sample>(rows: Rows | readonly S[]): Rows | S[] {
    return this.#mapped('inverse', rows, (batch, out) => {
      this.#useMoving();
      const { data } = batch;
      for (let i = 0, end = batch.rows * this.features; i < end; i++) {
        const j = i % this.features;
        const scaled = (data[i] - (this.bias?.[j] ?? 0)) / (this.weight?.[j] ?? 1);
        const x = scaled / this.#invStd[j] + this.#mean[j];
        out[i] = Number.isFinite(x) ? x : Number.NaN;
      }
    });
  }

  /** Begins anew with a feature: its moving statistics are those of its next batch, then move on from there. */
  forget(feature: number): void {
    if (!this.#frozen) this.#moving.forget(feature, this.#debias);
  }

  /**
   * The next batch moves a feature by `factor · alpha`, at most 1.
   *
   * @throws TypeError for a cumulative one, which has no rate, and with `debias`, which needs one that does not change
   */
  hasten(feature: number, factor: number): void {
    this.requireRate('BatchNorm.hasten');
    if (!this.#frozen) this.#moving.hasten(feature, factor);
  }

  /** @throws TypeError unless it has a rate that may change */
  requireRate(where: string): void {
    const got = 'alpha' in this.#moving.rate ? (this.#debias ? 'debias' : undefined) : 'cumulative';
    if (got === undefined) return;
    throw new TypeError(
      `${where} forgets faster by a rate such as alpha, and without debias, which needs one rate: got ${got}`,
    );
  }

  /** From now on no call moves the statistics; `train` still normalises by those of its batch. */
  freeze(): this {
    this.#frozen = true;
    return this;
  }

  unfreeze(): this {
    this.#frozen = false;
    return this;
  }

  state(): BatchNormState {
    const moving = this.#moving;
    const differ = (counts: Float64Array) => counts.some((count) => count !== moving.batches);
    return {
      format: FORMAT,
      features: this.names ? [...this.names] : this.features,
      ...('alpha' in moving.rate ? { alpha: moving.rate.alpha } : { cumulative: true as const }),
      eps: this.eps,
      runningMean: Array.from(moving.mean),
      runningVar: Array.from(moving.variance),
      batches: moving.batches,
      samples: this.samples,
      weight: this.weight && Array.from(this.weight),
      bias: this.bias && Array.from(this.bias),
      ...(this.clip < Number.POSITIVE_INFINITY && { clip: this.clip }),
      ...(this.#single === 'error' && { single: this.#single }),
      ...(this.#debias && { debias: true as const }),
      ...(this.renorm && { renorm: renormState(this.renorm) }),
      ...(this.missing !== 'nan' && { missing: this.missing }),
      ...(this.#frozen && { frozen: true as const }),
      ...moving.anewState(),
      ...(differ(moving.meanBatches) && { meanBatches: Array.from(moving.meanBatches) }),
      ...(differ(moving.varianceBatches) && { varianceBatches: Array.from(moving.varianceBatches) }),
    };
  }

  /**
   * The `BatchNorm` that was saved: its next outputs are bit-identical to never having stopped.
   *
   * @throws StreamnormError STATE for anything that `state()` cannot have written
   */
  static from(state: unknown): BatchNorm {
    const reader = new StateReader(state, FORMAT);
    const features = reader.features();
    const width = typeof features === 'number' ? features : features.length;
    // before memory is taken for as many features as the state claims
    const mean = reader.means('runningMean', width);
    const vector = (name: string) => (reader.has(name) ? reader.numbers(name, width) : null);
    const cumulative = reader.flag('cumulative');
    const model = new BatchNorm({
      features,
      ...(cumulative ? { cumulative } : { alpha: reader.number('alpha', (a) => a > 0 && a <= 1, 'be in (0, 1]') }),
      eps: reader.number('eps', (eps) => eps >= 0, 'be >= 0'),
      weight: vector('weight'),
      bias: vector('bias'),
      ...(reader.has('clip') && { clip: reader.number('clip', (clip) => clip > 0, 'be > 0') }),
      ...(reader.has('single') && {
        single: reader.get('single', (value) =>
          value === 'flag' || value === 'error' ? value : reader.fail('single', "be 'flag' or 'error'"),
        ),
      }),
      debias: reader.flag('debias'),
      renorm: readRenorm(reader),
      ...(reader.has('missing') && {
        missing: reader.get('missing', (value) =>
          MISSING.includes(value as Missing)
            ? (value as Missing)
            : reader.fail('missing', `be one of ${MISSING.join(', ')}`),
        ),
      }),
    });
    const moving = model.#moving;
    moving.mean.set(mean);
    moving.variance.set(reader.nonNegatives('runningVar', width));
    moving.batches = reader.count('batches');
    for (const counts of ['meanBatches', 'varianceBatches'] as const) {
      if (reader.has(counts)) moving[counts].set(reader.nonNegatives(counts, width));
      else moving[counts].fill(moving.batches);
    }
    moving.readAnew(reader);
    model.samples = reader.count('samples');
    model.#frozen = reader.flag('frozen');
    return model;
  }

  /** `train` into memory of the caller: `out` holds rows × features, `flags` (optional) one entry a row. */
  trainInto(rows: Rows, out: Float64Array, flags?: Uint8Array | Uint16Array, whole?: BatchSummary): void {
    const { batch, dropped } = this.#usableRows('train', rows);
    const summary = this.#summarize(batch, whole, dropped);
    this.#useBatch(summary);
    this.#move(summary);
    // a part of a batch may lack what the whole has
    if (whole !== undefined || !this.#normalizeAtOnce(batch, out, flags)) this.#normalize(batch, out, flags);
  }

  /** `trainInto` for rows that are learned at another time: nothing moves. */
  scoreInto(rows: Rows, out: Float64Array, flags?: Uint8Array | Uint16Array): void {
    const { batch, dropped } = this.#usableRows('train', rows);
    this.#useBatch(this.#summarize(batch, undefined, dropped));
    this.#normalize(batch, out, flags);
  }

  /** `transform` into memory of the caller; with `missing: 'dropRow'` such rows are NaN, flagged `missing`. */
  transformInto(rows: Rows, out: Float64Array, flags?: Uint8Array | Uint16Array): void {
    const { batch } = this.#usableRows('transform', rows);
    this.#useMoving();
    this.#normalize(batch, out, flags);
  }

  /** Mean and std that the last rows were normalised with: `x = (y - bias)/weight·std + mean`, but where z was clipped. */
  lastScale(): { mean: number[]; std: number[] } {
    const std = Array.from(this.#invStd, (invStd, j) => (this.#isFlat(j) ? 0 : 1 / invStd));
    return { mean: std.map((s, j) => this.#mean[j] - this.#shift[j] * s), std };
  }

  #usableRows(verb: string, rows: Rows): { batch: Rows; dropped: number } {
    if (this.missing === 'error') requireValues(`BatchNorm.${verb}`, rows, this.names);
    return this.missing === 'dropRow' ? withoutIncomplete(rows) : { batch: rows, dropped: 0 };
  }

  /** The statistics of the batch; nothing moves yet. */
  #summarize(rows: Rows | undefined, whole: BatchSummary | undefined, dropped: number): BatchSummary {
    const count = whole === undefined ? (rows?.rows ?? 0) - dropped : whole.rows;
    if (this.#single === 'error' && count === 1) {
      throw new RangeError("BatchNorm requires more than 1 row a batch (single: 'error'), got 1");
    }
    if (whole === this.batch) return whole;
    if (whole !== undefined) return this.batch.of({ ...NO_ROWS, features: this.features }).merge(whole);
    this.batch.of(rows as Rows);
    this.batch.rows = count;
    return this.batch;
  }

  #useBatch({ mean, count, m2 }: BatchSummary): void {
    for (let j = 0; j < this.features; j++) {
      const variance = count[j] > 0 ? m2[j] / count[j] : 0;
      this.#use(j, count[j] > 0 ? mean[j] : Number.NaN, variance, count[j]);
      if (count[j] === 1) this.#featureFlags[j] = FLAG.single;
      if (this.renorm !== null) this.#correct(j, mean[j], variance, this.renorm);
    }
  }

  #move(summary: BatchSummary): void {
    if (!this.#frozen && this.#moving.update(summary)) this.samples += summary.rows;
  }

  #useMoving(): void {
    for (let j = 0; j < this.features; j++) {
      const [mean, variance] = this.#movingNumbers(j);
      this.#use(j, mean, variance, this.samples);
      if (Number.isNaN(mean) || Number.isNaN(variance)) this.#featureFlags[j] = FLAG.notReady;
    }
  }

  #movingNumbers(j: number): [mean: number, variance: number] {
    const moving = this.#moving;
    return this.#debias ? [moving.debiasedMean(j), moving.debiasedVariance(j)] : [moving.mean[j], moving.variance[j]];
  }

  /** Batch renormalization of feature j, by the moving statistics before this batch. */
  #correct(j: number, batchMean: number, batchVariance: number, { rMax, dMax }: Renorm): void {
    if (!(this.#moving.meanBatches[j] > 0 && this.#moving.varianceBatches[j] > 0)) return;
    const [mean, variance] = this.#movingNumbers(j);
    if (isConstantFeature(variance, mean, this.samples)) return;
    const std = Math.sqrt(variance + this.eps);
    const r = Math.min(Math.max(Math.sqrt(batchVariance + this.eps) / std, 1 / rMax), rMax);
    this.#invStd[j] *= r;
    this.#shift[j] = Math.min(Math.max((batchMean - mean) / std, -dMax), dMax);
  }

  /** True where every x has the same z, so that no inverse of a root near zero is ever used. */
  #isFlat(j: number): boolean {
    return this.#featureFlags[j] === FLAG.constant || this.#featureFlags[j] === FLAG.single;
  }

  #use(j: number, mean: number, variance: number, count: number): void {
    this.#mean[j] = mean;
    this.#invStd[j] = 1 / Math.sqrt(variance + this.eps);
    this.#shift[j] = 0;
    this.#featureFlags[j] = isConstantFeature(variance, mean, count) ? FLAG.constant : 0;
  }

  /** `#normalize` of a batch by its own statistics, where these say that no value is missing or clipped; else false. */
  #normalizeAtOnce(batch: Rows, out: Float64Array, flags: Uint8Array | Uint16Array | undefined): boolean {
    const { rows, features } = batch;
    const kernel = batchKernel(rows, features);
    if (kernel === undefined) return false;
    const { count, min, max } = this.batch;
    const { clip } = this;
    const mean = this.#mean;
    const shift = this.#shift;
    const invStd = this.#invStd.slice();
    let all = 0;
    for (let j = 0; j < features; j++) {
      if (this.#isFlat(j)) invStd[j] = 0;
      const least = (min[j] - mean[j]) * invStd[j] + shift[j];
      const most = (max[j] - mean[j]) * invStd[j] + shift[j];
      if (!(count[j] === rows && Math.abs(least) <= clip && Math.abs(most) <= clip)) return false;
      all |= this.#featureFlags[j];
    }
    const { weight, bias } = this;
    kernel.scale(batch, out, { mean, invStd, shift, weight, bias });
    flags?.fill(all, 0, rows);
    return true;
  }

  #normalize(batch: Rows, out: Float64Array, flags: Uint8Array | Uint16Array | undefined): void {
    const { data, rows } = batch;
    const { features: width, clip } = this;
    const limit = MAX_MAGNITUDE;
    const fillsMean = this.missing === 'mean';
    flags?.fill(0, 0, rows);
    for (let j = 0; j < width; j++) {
      const mean = this.#mean[j];
      const featureFlag = this.#featureFlags[j];
      const invStd = this.#isFlat(j) ? 0 : this.#invStd[j];
      const shift = this.#shift[j];
      const weight = this.weight === null ? 1 : this.weight[j];
      const bias = this.bias === null ? 0 : this.bias[j];
      // the z of the mean; NaN where there is no mean
      const fill = Number.isNaN(mean) ? mean : Math.min(Math.max(shift, -clip), clip) * weight + bias;
      for (let row = 0, i = j; row < rows; row++, i += width) {
        const x = data[i];
        const z = (x - mean) * invStd + shift;
        // one test for the common case, every part of it false for NaN: half the time of asking case by case
        if (Math.abs(x) <= limit && Math.abs(z) <= clip) {
          out[i] = z * weight + bias;
        } else if (Math.abs(z) > clip && isUsable(x)) {
          out[i] = Math.sign(z) * clip * weight + bias;
          if (flags) flags[row] |= FLAG.clipped;
        } else {
          out[i] = fillsMean && Number.isNaN(x) ? fill : Number.NaN;
          if (flags && !isUsable(x)) flags[row] |= Number.isNaN(x) ? FLAG.missing : FLAG.overflow;
        }
      }
      if (flags === undefined || featureFlag === 0) continue;
      for (let row = 0, i = j; row < rows; row++, i += width) {
        if (isUsable(data[i])) flags[row] |= featureFlag;
      }
    }
  }

  #checked(verb: string, rows: Rows): Rows {
    requireRows(`BatchNorm.${verb}`, rows, this.features);
    return rows;
  }

  #read<S extends Sample>(verb: string, samples: readonly S[]) {
    const where = `BatchNorm.${verb}`;
    if (!Array.isArray(samples)) {
      throw new TypeError(`${where} requires an array of samples or { data, rows, features }, got ${shown(samples)}`);
    }
    const data = new Float64Array(samples.length * this.features);
    // a missing number at the front does not say what the others look like
    const first = samples.find((sample) => sample !== null && sample !== undefined) ?? Number.NaN;
    const shape = samples.length === 0 ? undefined : sampleShape<S>(where, first, this.names);
    if (samples.length > 0 && shape?.width !== this.features) {
      throw new RangeError(`${where} requires samples of ${this.features} features, got ${shown(samples[0])}`);
    }
    for (let i = 0; i < samples.length; i++) {
      if (shape?.read(samples[i], data, i * this.features) === false) {
        throw new RangeError(
          `${where} requires samples of ${this.features} features, sample ${i} is ${shown(samples[i])}`,
        );
      }
    }
    return { shape, batch: { data, rows: samples.length, features: this.features } };
  }

  #mapped<S extends Sample>(
    verb: string,
    rows: Rows | readonly S[],
    map: (batch: Rows, out: Float64Array) => void,
  ): Rows | S[] {
    if (isRows(rows)) {
      const batch = this.#checked(verb, rows);
      const data = new Float64Array(batch.rows * this.features);
      map(batch, data);
      return this.#withoutDropped(verb, batch, data);
    }
    const { shape, batch } = this.#read(verb, rows);
    const out = new Float64Array(batch.data.length);
    map(batch, out);
    const written = rows.map((sample, i) => shape?.write(sample, out, i * this.features) ?? sample);
    return this.#drops(verb) ? written.filter((_, i) => !lacksValue(batch.data, i, this.features)) : written;
  }

  #drops(verb: string): boolean {
    return this.missing === 'dropRow' && verb !== 'inverse';
  }

  #withoutDropped(verb: string, batch: Rows, data: Float64Array): Rows {
    const { features } = this;
    if (!this.#drops(verb)) return { data, rows: batch.rows, features };
    let kept = 0;
    for (let row = 0; row < batch.rows; row++) {
      if (lacksValue(batch.data, row, features)) continue;
      data.copyWithin(kept++ * features, row * features, (row + 1) * features);
    }
    return { data: data.slice(0, kept * features), rows: kept, features };
  }
}
