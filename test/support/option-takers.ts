import { adwin } from '../../src/core/adwin.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative, cumulative } from '../../src/core/cumulative.ts';
import { Ewma, ewma } from '../../src/core/ewma.ts';
import { frozen } from '../../src/core/frozen.ts';
import { batchBy } from '../../src/operators/batch-by.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { batchStats } from '../../src/operators/batch-stats.ts';
import { denormalize } from '../../src/operators/denormalize.ts';
import { movingStats } from '../../src/operators/moving-stats.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { quarantine } from '../../src/operators/quarantine.ts';

export type Options = Record<string, unknown>;

/** Every function that takes options, with options that it accepts. */
export const TAKERS: Record<string, { take: (options: Options) => unknown; good: Options }> = {
  BatchNorm: { take: (options) => new BatchNorm(options as never), good: { features: 2 } },
  Cumulative: { take: (options) => new Cumulative(options as never), good: { features: 2 } },
  Ewma: { take: (options) => new Ewma(options as never), good: { features: 2 } },
  ewma: { take: (options) => ewma(options as never), good: {} },
  batchBy: { take: (options) => batchBy(options as never), good: { size: 3 } },
  batchNorm: { take: (options) => batchNorm(options as never), good: {} },
  batchStats: { take: (options) => batchStats(options as never), good: {} },
  movingStats: { take: (options) => movingStats(options as never), good: {} },
  normalize: { take: (options) => normalize(cumulative(), options as never), good: {} },
  'normalize(frozen)': { take: (options) => normalize(frozen({ mean: [0], std: [1] }), options as never), good: {} },
  'normalize(records)': { take: (options) => normalize(cumulative(), options as never), good: { maxFeatures: 9 } },
  'normalize(hold)': { take: (options) => normalize(cumulative(), options as never), good: { untilReady: 'hold' } },
  'normalize(drift)': { take: (options) => normalize(cumulative(), options as never), good: { drift: adwin() } },
  quarantine: { take: (options) => quarantine(options as never), good: {} },
  'quarantine(time)': { take: (options) => quarantine(options as never), good: { timeOf: () => 0 } },
  denormalize: { take: (options) => denormalize(frozen({ mean: [0], std: [1] }), options as never), good: {} },
};
