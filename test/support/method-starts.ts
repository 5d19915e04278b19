import type { Method, MethodOptions } from '../../src/core/methods.ts';

/** Options with which each method can start, for two features. */
export const STARTS: Record<Method, MethodOptions> = {
  batch: { size: 3 },
  ewma: {},
  cumulative: {},
  rolling: { last: 3 },
  minmax: {},
  robust: {},
  frozen: { mean: [1, 2], std: [3, 4] },
};
