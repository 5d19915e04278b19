import { requireKnown, requireNumber, shown } from './parameter.ts';
import type { StateReader } from './state.ts';

/** How far batch renormalization may correct a batch; Infinity for no bound. */
export interface RenormOptions {
  /** Bound of the correction of the scale, `1/rMax <= r <= rMax`; 3. */
  rMax?: number;
  /** Bound of the correction of the centre, `-dMax <= d <= dMax`, in standard deviations; 5. */
  dMax?: number;
}

export type Renorm = Readonly<Required<RenormOptions>>;

/** As JSON has it: null for Infinity. */
export interface RenormState {
  readonly rMax: number | null;
  readonly dMax: number | null;
}

/** Where the paper's training ends up. */
const DEFAULT: Renorm = { rMax: 3, dMax: 5 };

/** @throws TypeError, RangeError for wrong options */
export function requireRenorm(where: string, options: RenormOptions | undefined): Renorm | null {
  if (options === undefined) return null;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${where} requires renorm to be { rMax, dMax }, got ${shown(options)}`);
  }
  requireKnown(`${where}, renorm,`, options, ['rMax', 'dMax']);
  const { rMax = DEFAULT.rMax, dMax = DEFAULT.dMax } = options;
  return {
    rMax: requireNumber(where, 'renorm.rMax', rMax, (r) => r >= 1, 'to be >= 1'),
    dMax: requireNumber(where, 'renorm.dMax', dMax, (d) => d >= 0, 'to be >= 0'),
  };
}

export function renormState({ rMax, dMax }: Renorm): RenormState {
  const orNull = (x: number) => (x < Number.POSITIVE_INFINITY ? x : null);
  return { rMax: orNull(rMax), dMax: orNull(dMax) };
}

/** @throws StreamnormError STATE for anything that `renormState` cannot have written */
export function readRenorm(reader: StateReader): Renorm | undefined {
  if (!reader.has('renorm')) return undefined;
  return reader.get('renorm', (value) => {
    const { rMax, dMax } = value as Partial<Record<string, unknown>>;
    const number = (x: unknown) => (x === null ? Number.POSITIVE_INFINITY : typeof x === 'number' ? x : Number.NaN);
    const [r, d] = [number(rMax), number(dMax)];
    return r >= 1 && d >= 0 ? { rMax: r, dMax: d } : reader.fail('renorm', 'have rMax >= 1 and dMax >= 0, or null');
  });
}
