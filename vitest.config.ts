import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/build-once.ts',
    reporters: ['default', './test/support/summary-reporter.ts'],
    // one core is left free by default: on two cores that is half of them, and the run takes twice as long
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    coverage: {
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html'],
    },
  },
});
