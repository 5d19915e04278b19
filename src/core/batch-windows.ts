import { StreamnormError } from '../errors.ts';
import { AlignedWindows } from './aligned-windows.ts';
import type { BatchNorm } from './batch-norm.ts';
import type { DriftWatch } from './drift-watch.ts';
import { LineNormalizer } from './line-normalizer.ts';
import type { MethodOptions } from './method-options.ts';
import { requireNumber, shown } from './parameter.ts';
import type { PendingRows } from './row-normalizer.ts';
import { readSavedNumber } from './saved-number.ts';
import { SessionWindows } from './session-windows.ts';
import { windowBounds } from './window-bounds.ts';
import { WindowNormalizer } from './window-normalizer.ts';

/** Values of an open window: 128 MiB. */
const MAX_WINDOW_VALUES = 2 ** 24;
const DEFAULT_SIZE = 64;

type WindowOptions = Pick<MethodOptions, 'size' | 'within' | 'every' | 'gap' | 'maxSamples' | 'lateness' | 'maxAhead'>;

/** Rows at which a window closes; undefined for the kinds that have no size unless one is asked for. */
export function windowSize({ size, within, every, gap, lateness }: WindowOptions): number | undefined {
  const isSized = gap === undefined && lateness === undefined && (within === undefined || every === undefined);
  return size ?? (isSized ? DEFAULT_SIZE : undefined);
}

/** The windows that the options describe, over rows for `model`. */
export function batchWindows(
  model: BatchNorm,
  options: WindowOptions,
  watch: DriftWatch | null,
): WindowNormalizer | LineNormalizer {
  const where = 'batch';
  const { within, every, gap, lateness, maxSamples } = options;
  const byTimes = lateness !== undefined;
  if (options.maxAhead !== undefined && !byTimes) {
    throw new TypeError(`${where} takes maxAhead only with lateness, got maxAhead ${shown(options.maxAhead)}`);
  }
  const asked = { ...options, size: windowSize(options), ...(byTimes && { timeOf: Number }) };
  const bounds = windowBounds(where, defined(asked));
  const most = Math.floor(MAX_WINDOW_VALUES / model.features);
  for (const [name, rows] of [
    ['size', bounds.size],
    ['maxSamples', maxSamples],
  ] as const) {
    if (rows === undefined) continue;
    requireNumber(where, name, rows, (n) => n <= most, `<= ${most} with ${model.features} features`);
  }
  const length = within === undefined ? bounds.size : bounds.withinMs;
  if (bounds.every !== undefined && bounds.every > (length ?? 0)) {
    const name = within === undefined ? 'size' : 'within';
    throw new RangeError(
      `${where} requires every to be at most ${name} (${shown(asked[name])}), or rows between two batches have no statistics, got every ${shown(every)}`,
    );
  }
  const overlaps = bounds.every !== undefined && bounds.every !== length;
  if (!byTimes && gap === undefined && !(overlaps || (bounds.every !== undefined && within !== undefined))) {
    return new WindowNormalizer(model, bounds.size ?? DEFAULT_SIZE, bounds.withinMs, watch);
  }
  if (watch !== null) {
    throw new TypeError(
      `${where} takes drift with batches by size or within alone: with every, gap or lateness a row is in many, or comes late`,
    );
  }
  const { size: largest = Number.POSITIVE_INFINITY, withinMs, gapMs, every: step, latenessMs, maxAheadMs } = bounds;
  const along = byTimes ? 'time' : within === undefined && gap === undefined ? 'count' : 'arrival';
  return new LineNormalizer(model, {
    of: JSON.stringify({ along, size: bounds.size, within: withinMs, every: step, gap: gapMs }),
    along,
    open: () =>
      gapMs !== undefined
        ? new SessionWindows({ gapMs, ...(withinMs && { withinMs }), size: largest })
        : along === 'count'
          ? new AlignedWindows({ withinMs: largest, ...(step && { everyMs: step }) })
          : new AlignedWindows({ withinMs: withinMs ?? 0, ...(step && { everyMs: step }), size: largest }),
    learned: overlaps ? length : undefined,
    latenessMs: along === 'count' ? 0 : latenessMs,
    maxAheadMs,
    maxRows: along === 'count' ? Number.POSITIVE_INFINITY : Math.min(bounds.maxSamples, most),
  });
}

/** Without what is undefined, which would count as given. */
function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/** @throws StreamnormError STATE unless windows of this kind can go on from there */
export function restoreWindows(normalizer: WindowNormalizer | LineNormalizer, pending: PendingRows): void {
  const { data, times } = pending;
  if (!Array.isArray(data) || !Array.isArray(times) || !times.every(Number.isFinite)) {
    throw new StreamnormError('STATE', 'the saved open window is damaged');
  }
  if (normalizer instanceof LineNormalizer) {
    normalizer.restore(pending);
    return;
  }
  // rows of overlapping windows that have left wait for nothing
  const isOver = pending.line?.marks?.every((mark) => (mark & 1) !== 0) === true;
  const rows = isOver ? 0 : times.length;
  const fits = pending.line === undefined ? data.length === rows * normalizer.features : isOver;
  if (!fits || rows >= normalizer.size) {
    throw new StreamnormError('STATE', `the saved open window does not fit: ${rows} rows of ${normalizer.size}`);
  }
  if (pending.gap) normalizer.cut();
  if (rows > 0) normalizer.restore(Float64Array.from(data, readSavedNumber), Float64Array.from(times));
}
