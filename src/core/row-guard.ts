import { FLAG } from './flags.ts';
import type { MethodOptions } from './method-options.ts';
import { MISSING } from './missing-values.ts';
import { requireOneOf, shown } from './parameter.ts';
import type { QuarantineNormalizerOptions } from './quarantine-normalizer.ts';
import { RowJudge } from './row-judge.ts';
import { type WindowBounds, windowBounds } from './window-bounds.ts';

/** What keeps bad rows out, where that is asked for, and the options that are left for the method itself. */
export function rowGuard(
  method: string,
  features: readonly string[],
  options: MethodOptions,
): { own: MethodOptions; guard: QuarantineNormalizerOptions | undefined } {
  const { quarantine, range, required, ...rest } = options;
  const { missing = 'nan' } = rest;
  requireOneOf(method, 'missing', missing, MISSING);
  if (quarantine !== undefined) requireOneOf(method, 'quarantine', quarantine, ['flag', 'drop']);
  if (range !== undefined && quarantine === undefined) {
    throw new TypeError(`${method} takes range only with quarantine, got range ${shown(range)}`);
  }
  const judgesMissing = missing === 'dropRow' || missing === 'error';
  if (required !== undefined && quarantine === undefined && !judgesMissing) {
    throw new TypeError(
      `${method} takes required only with quarantine, or missing 'dropRow' or 'error', got required ${shown(required)}`,
    );
  }
  const followsTimes = method === 'batch' && (rest.within !== undefined || rest.gap !== undefined);
  const own: MethodOptions = { ...rest };
  if (judgesMissing) delete own.missing;
  let late: Pick<WindowBounds<unknown>, 'latenessMs' | 'maxAheadMs'> | undefined;
  if (!followsTimes && (rest.lateness !== undefined || rest.maxAhead !== undefined)) {
    if (rest.lateness === undefined || quarantine === undefined) {
      const name = rest.lateness === undefined ? 'maxAhead' : 'lateness';
      const needed = method === 'batch' ? 'within, gap or quarantine' : 'quarantine';
      const all = name === 'maxAhead' ? `lateness, and ${needed}` : needed;
      throw new TypeError(`${method} takes ${name} only with ${all}, got ${name} ${shown(rest[name])}`);
    }
    late = windowBounds(method, { gap: 1, timeOf: Number, lateness: rest.lateness, ...aheadOf(rest) });
    delete own.lateness;
    delete own.maxAhead;
  }
  if (quarantine === undefined && !judgesMissing) return { own, guard: undefined };
  const guard = {
    judge: new RowJudge(method, features, { ...(range && { range }), ...(required && { required }) }),
    bad: quarantine === undefined ? FLAG.missing : FLAG.missing | FLAG.overflow | FLAG.range,
    dropped: quarantine === 'drop' ? FLAG.quarantined : missing === 'dropRow' ? FLAG.missing : 0,
    refusesMissing: missing === 'error',
    names: features,
    latenessMs: late?.latenessMs,
    maxAheadMs: late?.maxAheadMs ?? 0,
  };
  return { own, guard };
}

function aheadOf({ maxAhead }: MethodOptions) {
  return maxAhead === undefined ? {} : { maxAhead };
}
