import { expect, test } from 'vitest';
import { FAULTS, type FaultName, titleOf } from './rows.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** The row of the fault table that this test proves, and what it has measured. */
    fault?: FaultName;
    seen?: string;
    /** The 99th percentile of a bystander's latency in ms: before the fault and beside it. */
    bystander?: Bystander;
  }
}

/** How long rows took a client that the fault is no business of: before it and beside it. */
export interface Bystander {
  readonly aloneP99Ms: number;
  readonly besideP99Ms: number;
}

/** How a row is run, and where it says what it has seen. */
export interface FaultRun {
  /** True under `npm run faults`: at full size and for the full time; false under `npm test`, where it must be quick. */
  readonly full: boolean;
  /** True under `npm run faults -- --judge`: latencies too must hold, which they can on a machine that does nothing else. */
  readonly judged: boolean;
  /** What was measured, in a few words for the table: `gone after 11 s, 0.4 MiB held`. Every test says it, once it knows. */
  seen(text: string): void;
  /** Ends the test as one that cannot run here, and why. */
  skip(reason: string): never;
  bystander(measured: Bystander): void;
}

export const FULL = process.env.STREAMNORM_FAULTS === 'full';

/** The test of one row of the fault table; a slow row has none under `npm test`. */
export function fault(name: FaultName, prove: (run: FaultRun) => Promise<void>, timeoutMs = FULL ? 400_000 : 60_000) {
  const row = FAULTS.find((each) => each.name === name)!;
  if (row.slow && !FULL) return;
  test(titleOf(row), { timeout: timeoutMs }, async ({ task, skip }) => {
    task.meta.fault = name;
    await prove({
      full: FULL,
      judged: FULL && process.env.STREAMNORM_JUDGE === '1',
      skip: (reason) => skip(reason),
      seen: (text) => {
        task.meta.seen = text;
      },
      bystander: (measured) => {
        task.meta.bystander = measured;
      },
    });
    expect(task.meta.seen, 'what the test has measured, told by seen()').toBeTruthy();
    expect(task.meta.seen).not.toContain('|');
  });
}
