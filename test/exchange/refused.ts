import { expect } from 'vitest';
import { StreamnormError } from '../../src/errors.ts';

/** Expects one StreamnormError of code STATE with such a message. */
export function expectRefused(read: () => unknown, message: RegExp | string = ''): void {
  expect(read).toThrow(StreamnormError);
  const text = typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message);
  expect(read).toThrow(expect.objectContaining({ code: 'STATE', message: text }));
}

/** Runs it and expects a result, or a StreamnormError of code STATE whose message is one line. */
export function expectResultOrRefusal(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof StreamnormError)) throw error;
    expect(error.code).toBe('STATE');
    expect(error.message).not.toContain('\n');
    expect(error.message.length).toBeLessThan(1500);
  }
}
