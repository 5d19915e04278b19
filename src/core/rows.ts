/** `rows` samples of `features` values each, row-major: sample i, feature j is `data[i * features + j]`. */
export interface Rows {
  readonly data: Float64Array;
  readonly rows: number;
  readonly features: number;
}

/** True for anything of the form of `Rows` whose size is right. */
export function isRows(value: unknown): value is Rows {
  const rows = value as Partial<Rows> | null;
  return (
    typeof value === 'object' && rows !== null && rows.data instanceof Float64Array && typeof rows.rows === 'number'
  );
}

/** @throws RangeError unless `rows` holds whole rows of `features` values */
export function requireRows(where: string, rows: Rows, features: number): void {
  if (rows.features !== features) {
    throw new RangeError(`${where} requires rows of ${features} features, got ${rows.features}`);
  }
  if (!(Number.isSafeInteger(rows.rows) && rows.rows >= 0 && rows.data.length >= rows.rows * features)) {
    throw new RangeError(
      `${where} requires data of rows × features (${rows.rows} × ${features}) values, got ${rows.data.length}`,
    );
  }
}
