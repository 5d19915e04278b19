import { describe, expect, test } from 'vitest';
import { Ewma } from '../../src/core/ewma.ts';
import { expectClose } from '../support/close.ts';
import { golden } from '../support/golden.ts';

interface Setting {
  name: string;
  input: string;
  alpha: number | null;
  halfLifeMs: number | null;
}

interface Golden {
  inputs: Record<string, { timesMs: number[]; values: number[] }>;
  cases: (Setting & { statistic: 'mean' | 'var'; adjust: boolean; bias: boolean | null; outputs: number[] })[];
  exact: (Setting & {
    rows: { row: number; mean: number; biasedVariance: number; unbiasedVariance: number; effectiveCount: number }[];
  })[];
}

const { inputs, cases, exact } = golden<Golden>('ewm.json');

describe('pandas ewm(adjust=True)', () => {
  test.each(cases.filter(({ adjust }) => adjust).map((pandas) => [pandas.name, pandas] as const))('%s', (_, pandas) => {
    const steps: number[] = [];
    everyStep(pandas, (ewma) => {
      // pandas has no mean before the first value, and no unbiased variance before the second
      const known = ewma.count[0] > 0;
      const variance = pandas.bias ? ewma.variance[0] : ewma.unbiasedVariance(0);
      steps.push(!known ? Number.NaN : pandas.statistic === 'mean' ? ewma.mean[0] : variance);
    });
    expectClose(steps, pandas.outputs);
  });

  test('the other convention, adjust=False, is another number: the golden file can tell them apart', () => {
    const other = cases.find(({ adjust }) => !adjust)!;
    const steps: number[] = [];
    everyStep(other, (ewma) => steps.push(ewma.mean[0]));
    expect(Math.abs(steps[5] - other.outputs[5])).toBeGreaterThan(0.01);
  });
});

describe('the same weights in 50-digit decimals', () => {
  test.each(exact.map((decimal) => [decimal.name, decimal] as const))('%s', (_, decimal) => {
    const found = new Map<number, number[]>();
    everyStep(decimal, (ewma, row) => {
      found.set(row, [ewma.mean[0], ewma.variance[0], ewma.unbiasedVariance(0), ewma.nEff(0)]);
    });
    for (const { row, mean, biasedVariance, unbiasedVariance, effectiveCount } of decimal.rows) {
      expectClose(found.get(row)!, [mean, biasedVariance, unbiasedVariance, effectiveCount]);
    }
  });
});

function everyStep({ input, alpha, halfLifeMs }: Setting, look: (ewma: Ewma, row: number) => void): void {
  const { timesMs, values } = inputs[input];
  const ewma = new Ewma({ features: 1, ...(alpha === null ? { halfLife: `${halfLifeMs!}ms` } : { alpha }) });
  values.forEach((x, row) => {
    ewma.update([x], timesMs[row]);
    look(ewma, row);
  });
}
