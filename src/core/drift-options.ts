import { adwin } from './adwin.ts';
import type { DriftDetectorFactory } from './drift-detector.ts';
import { DriftWatch, type OnDrift } from './drift-watch.ts';
import { pageHinkley } from './page-hinkley.ts';
import { requireNumber, requireOneOf, requirePositiveInteger } from './parameter.ts';

/** How rows are watched for drift, as the configuration and the command line spell it. */
export interface DriftOptions {
  drift?: string;
  driftDelta?: number;
  driftThreshold?: number;
  onDrift?: string;
  fasterBy?: number;
  fasterRows?: number;
}

export const DRIFT_OPTIONS = [
  'drift',
  'driftDelta',
  'driftThreshold',
  'onDrift',
  'fasterBy',
  'fasterRows',
] as const satisfies readonly (keyof DriftOptions)[];

const DEFAULT_FACTOR = 10;

/** Divides the options of a method into those of the watch and the others. */
export function splitDrift<O extends DriftOptions>(
  options: O,
): { drift: DriftOptions; rest: Omit<O, keyof DriftOptions> } {
  const { drift, driftDelta, driftThreshold, onDrift, fasterBy, fasterRows, ...rest } = options;
  return { drift: { drift, driftDelta, driftThreshold, onDrift, fasterBy, fasterRows } as DriftOptions, rest };
}

/**
 * The watch that the options describe, going on from a saved state if there is one; null where none is asked for.
 *
 * @throws TypeError, RangeError for wrong options; StreamnormError STATE for a saved state that does not fit
 */
export function driftWatch(where: string, features: number, options: DriftOptions, saved: unknown): DriftWatch | null {
  if (options.drift === undefined) {
    const alone = DRIFT_OPTIONS.find((name) => options[name] !== undefined);
    if (alone !== undefined) throw new TypeError(`${where} takes ${alone} with drift: 'adwin' or 'page-hinkley'`);
    return null;
  }
  const watch = new DriftWatch(where, features, detectorOf(where, options), actionOf(where, options));
  const { drift } = (saved ?? {}) as { drift?: unknown };
  if (drift !== undefined) watch.restore(drift);
  return watch;
}

function detectorOf(where: string, { drift, driftDelta, driftThreshold }: DriftOptions): DriftDetectorFactory {
  const kind = requireOneOf(where, 'drift', drift, ['adwin', 'page-hinkley']);
  const delta = driftDelta === undefined ? {} : { delta: driftDelta };
  if (kind === 'page-hinkley') {
    const finite = (n: number) => n >= 0 && n < Number.POSITIVE_INFINITY;
    if (driftDelta !== undefined) requireNumber(where, 'driftDelta', driftDelta, finite, 'to be >= 0 and finite');
    if (driftThreshold === undefined) return pageHinkley(delta);
    const above0 = (n: number) => n > 0 && n < Number.POSITIVE_INFINITY;
    requireNumber(where, 'driftThreshold', driftThreshold, above0, 'to be > 0 and finite');
    return pageHinkley({ ...delta, threshold: driftThreshold });
  }
  if (driftThreshold !== undefined) {
    throw new TypeError(`${where} takes driftThreshold with drift: 'page-hinkley', got it with 'adwin'`);
  }
  if (driftDelta !== undefined) requireNumber(where, 'driftDelta', driftDelta, (d) => d > 0 && d < 1, 'in (0, 1)');
  // values of a feed lie in no known interval
  return adwin({ ...delta, range: 0 });
}

function actionOf(where: string, { onDrift = 'tell', fasterBy, fasterRows }: DriftOptions): OnDrift {
  const action = requireOneOf(where, 'onDrift', onDrift, ['tell', 'reset', 'faster']);
  if (action !== 'faster') {
    const alone = fasterBy !== undefined ? 'fasterBy' : fasterRows !== undefined ? 'fasterRows' : undefined;
    if (alone !== undefined) throw new TypeError(`${where} takes ${alone} with onDrift: 'faster', got '${action}'`);
    return action;
  }
  const above1 = (n: number) => n > 1 && n < Number.POSITIVE_INFINITY;
  const faster = requireNumber(where, 'fasterBy', fasterBy ?? DEFAULT_FACTOR, above1, 'to be > 1');
  if (fasterRows !== undefined) requirePositiveInteger(where, 'fasterRows', fasterRows);
  return { faster, ...(fasterRows !== undefined && { rows: fasterRows }) };
}
