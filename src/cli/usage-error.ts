/** The command line asks for something that cannot be. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs a check of parameters that came from the command line: what it throws is the user's fault, and not a bug. */
export function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) {
      throw Object.assign(new UsageError(error.message), { cause: error });
    }
    throw error;
  }
}
