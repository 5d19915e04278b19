import { TestScheduler } from 'rxjs/testing';
import { expect } from 'vitest';

type RunHelpers = Parameters<Parameters<TestScheduler['run']>[0]>[0];

/** Runs `test` in virtual time; what it expects is compared when it returns. */
export function marbles(test: (helpers: RunHelpers) => void): void {
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(test);
}
