import { StreamnormError } from '../errors.ts';

/** Everything that is wrong with a configuration, or with what it names. */
export class ConfigFault extends StreamnormError {
  /** One line each, with its path. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    const count = `${faults.length} error${faults.length === 1 ? '' : 's'}`;
    super('CONFIG', `the config has ${count}:\n${faults.map((line) => `  ${line}`).join('\n')}`);
    this.faults = faults;
  }
}

/**
 * What the steps resolve with, which read what a configuration names; their faults are told together.
 *
 * @throws ConfigFault with the faults of all; whatever else a step throws
 */
export async function withAllFaults<Results extends unknown[]>(
  ...steps: { [I in keyof Results]: Promise<Results[I]> }
): Promise<Results> {
  const settled = await Promise.allSettled(steps);
  const faults = settled.flatMap((step) => (step.status === 'rejected' ? faultsOf(step.reason) : []));
  if (faults.length > 0) throw new ConfigFault(faults);
  return Promise.all(steps) as Promise<Results>;
}

function faultsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigFault) return error.faults;
  if (error instanceof StreamnormError && error.code === 'CONFIG') return [error.message];
  throw error;
}
