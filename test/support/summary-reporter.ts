import type { Reporter, TestModule, TestRunEndReason, TestSuite, Vitest } from 'vitest/node';

/**
 * Ends a run with `N passed, N failed, N skipped`, alone on the last line, which people and scripts can read.
 *
 * A hook or a module that fails, and an error outside of every test, count as failed too. Each skipped test is named
 * with its reason, and under CI=true a skipped test fails the run: nothing drops out unseen.
 */
export default class SummaryReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[], reason: TestRunEndReason): void {
    if (reason === 'interrupted') return;
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 };
    const skipped: string[] = [];
    for (const module of modules) {
      count.failed += failures(module);
      for (const suite of module.children.allSuites()) count.failed += failures(suite);
      for (const test of module.children.allTests()) {
        const result = test.result();
        count[result.state]++;
        // with `-t` nearly every test is skipped, because that was asked for
        if (result.state !== 'skipped' || this.#vitest?.config.testNamePattern) continue;
        skipped.push(`SKIPPED ${module.relativeModuleId} > ${test.fullName}: ${result.note ?? 'no reason given'}`);
      }
    }
    if (skipped.length > 0 && process.env.CI === 'true') {
      process.exitCode = 1;
      skipped.push('a skipped test fails the run under CI=true');
    }
    const lines = [...skipped, `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`];
    const print = () => process.stdout.write(`${lines.join('\n')}\n`);
    // coverage tables and complaints about open handles come after this event, so wait for the very end
    if (this.#vitest?.config.watch) print();
    else process.once('exit', print);
  }
}

/** Errors of a module or suite itself: a throw while it is collected, or in beforeAll or afterAll. */
function failures(of: TestModule | TestSuite): number {
  return of.errors().length > 0 ? 1 : 0;
}
