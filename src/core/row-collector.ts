import type { NormalizedRows, RowDrift } from './row-normalizer.ts';

/** Rows on their way out, which leave one by one and from different places: gathered, then taken as one. */
export class RowCollector {
  readonly #features: number;
  #rows: number;
  #raw: Float64Array;
  #z: Float64Array;
  #times: Float64Array;
  #flags: Uint16Array;
  #ids: Float64Array | undefined;
  #drifts: RowDrift[];

  constructor(features: number) {
    this.#features = features;
    this.#rows = 0;
    this.#raw = new Float64Array(0);
    this.#z = new Float64Array(0);
    this.#times = new Float64Array(0);
    this.#flags = new Uint16Array(0);
    this.#ids = undefined;
    this.#drifts = [];
  }

  /**
   * Adds row `row` of `raw` as `z`, from value `from` on; undefined is NaN throughout.
   *
   * @param id what the caller calls it; NaN for nothing
   */
  add(
    raw: Float64Array,
    row: number,
    z: Float64Array | undefined,
    from: number,
    time: number,
    flags: number,
    id: number,
  ): void {
    const width = this.#features;
    const index = this.#rows++;
    if (index === this.#times.length) this.#grow(Math.max(16, 2 * index));
    for (let j = 0, at = index * width; j < width; j++, at++) {
      this.#raw[at] = raw[row * width + j];
      this.#z[at] = z === undefined ? Number.NaN : z[from + j];
    }
    this.#times[index] = time;
    this.#flags[index] = flags;
    if (Number.isNaN(id)) return;
    this.#ids ??= new Float64Array(this.#times.length);
    this.#ids[index] = id;
  }

  /** That the row to be added next showed a drift. */
  addDrift(drift: RowDrift): void {
    this.#drifts.push({ ...drift, row: this.#rows });
  }

  addAll({ rows, features, raw, z, times, flags, ids, drifts = [] }: NormalizedRows): void {
    for (const drift of drifts) this.#drifts.push({ ...drift, row: this.#rows + drift.row });
    for (let row = 0; row < rows; row++) {
      this.add(raw, row, z, row * features, times[row], flags[row], ids === undefined ? Number.NaN : ids[row]);
    }
  }

  /** What was added, which is then another's; undefined when it is nothing. */
  take(): NormalizedRows | undefined {
    const [rows, features] = [this.#rows, this.#features];
    if (rows === 0) return undefined;
    const [raw, z, times, flags, ids] = [this.#raw, this.#z, this.#times, this.#flags, this.#ids];
    this.#rows = 0;
    this.#raw = new Float64Array(0);
    this.#z = new Float64Array(0);
    this.#times = new Float64Array(0);
    this.#flags = new Uint16Array(0);
    const drifts = this.#drifts;
    this.#ids = undefined;
    this.#drifts = [];
    return {
      rows,
      features,
      raw: raw.slice(0, rows * features),
      z: z.slice(0, rows * features),
      times: times.slice(0, rows),
      flags: flags.slice(0, rows),
      ids: ids?.slice(0, rows),
      ...(drifts.length > 0 && { drifts }),
    };
  }

  #grow(rows: number): void {
    const width = this.#features;
    this.#raw = grown(this.#raw, rows * width);
    this.#z = grown(this.#z, rows * width);
    this.#times = grown(this.#times, rows);
    this.#flags = grown(this.#flags, rows);
    if (this.#ids !== undefined) this.#ids = grown(this.#ids, rows);
  }
}

function grown<T extends Float64Array | Uint16Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (length: number) => T)(length);
  larger.set(array);
  return larger;
}
