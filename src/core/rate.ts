import { type Duration, durationMs } from './duration.ts';
import { requireNumber, shown } from './parameter.ts';

/**
 * How fast a moving statistic forgets: exactly one of four, since the field has two opposite readings of one word.
 *
 * | option | weighs | the same elsewhere |
 * |---|---|---|
 * | `alpha` | the new value, (0, 1] | PyTorch `momentum`; pandas `alpha`; 1 - River `fading_factor` |
 * | `retain` | the old value, [0, 1) | Keras, Flax and ONNX `momentum`; `alpha = 1 - retain` |
 * | `halfLife` | a number of samples or batches, or a time such as `'30s'` | pandas `halflife`; `alpha = 1 - 2^(-1/halfLife)` |
 * | `cumulative` | all values alike | PyTorch `momentum=None` |
 */
export interface RateOptions {
  alpha?: number;
  retain?: number;
  halfLife?: Duration;
  cumulative?: boolean;
}

export const RATE_OPTIONS = ['alpha', 'retain', 'halfLife', 'cumulative'] as const;

/** A rate by count has `alpha`; by time, `halfLifeMs`; with neither every value weighs the same. */
export type Rate = { alpha: number } | { halfLifeMs: number } | { cumulative: true };

export const DEFAULT_ALPHA = 0.1;

/** Reads the one rate that `options` holds; `alpha: 0.1` when it holds none. */
export function rateOf(where: string, options: RateOptions & { momentum?: unknown }): Rate {
  if (options.momentum !== undefined) {
    throw new TypeError(
      `${where} has no option 'momentum', since it has two opposite meanings: PyTorch's momentum ${shown(options.momentum)} ` +
        `weighs the new value (write alpha: ${shown(options.momentum)}), ` +
        `Keras's weighs the old one (write retain: ${shown(options.momentum)})`,
    );
  }
  const given = RATE_OPTIONS.filter((name) => options[name] !== undefined && options[name] !== false);
  if (given.length > 1) throw new TypeError(`${where} takes exactly one rate, got ${given.join(' and ')}`);
  switch (given[0]) {
    case undefined:
      return { alpha: DEFAULT_ALPHA };
    case 'alpha':
      return { alpha: requireNumber(where, 'alpha', options.alpha, (a) => a > 0 && a <= 1, 'in (0, 1]') };
    case 'retain':
      return { alpha: 1 - requireNumber(where, 'retain', options.retain, (p) => p >= 0 && p < 1, 'in [0, 1)') };
    case 'cumulative':
      if (options.cumulative !== true) {
        throw new TypeError(`${where} requires cumulative to be true or absent, got ${shown(options.cumulative)}`);
      }
      return { cumulative: true };
    case 'halfLife': {
      if (typeof options.halfLife === 'string') return { halfLifeMs: durationMs(where, 'halfLife', options.halfLife) };
      const count = requireNumber(
        where,
        'halfLife',
        options.halfLife,
        (h) => h > 0 && h < Number.POSITIVE_INFINITY,
        "to be a count > 0 or a time such as '30s'",
      );
      // -expm1 keeps the digits that 1 - 2^(-1/h) loses for long half-lives
      return { alpha: -Math.expm1(-Math.LN2 / count) };
    }
  }
}

/** As `rateOf`, for statistics that count batches and know no time. */
export function rateByCount(where: string, options: RateOptions): { alpha: number } | { cumulative: true } {
  const rate = rateOf(where, options);
  if ('halfLifeMs' in rate) {
    throw new TypeError(`${where} counts batches: it requires halfLife to be a number, got ${shown(options.halfLife)}`);
  }
  return rate;
}
