import * as z from 'zod';
import { durationMs } from '../../core/duration.ts';
import { durationValue } from './duration-value.ts';

/** What is done with the rows of a producer that has gone mad. */
export type GuardAction = 'flag' | 'drop' | 'refuse';

export interface ProducerGuardConfig {
  readonly maxZ: number;
  readonly minSamples: number;
  readonly action: GuardAction;
  readonly releaseRows: number;
  readonly releaseAfterMs: number;
}

const count = z.number().int().min(1);

/** `producerGuard` of a channel. */
export const producerGuardSchema = z.strictObject({
  maxZ: z.number().positive().default(50).describe('standard deviations from the mean that values keep within'),
  minSamples: count.min(2).default(100).describe('rows that are learned before anything is judged'),
  action: z
    .enum(['flag', 'drop', 'refuse'])
    .default('flag')
    .describe('rows go out flagged and unlearned, are left out, or refuse their whole message'),
  releaseRows: count.default(100).describe('rows in a row after which a producer is taken to have moved'),
  releaseAfter: durationValue('releaseAfter')
    .default('60s')
    .describe('and time; one that is silent for so long has no say'),
});

export function producerGuardConfig(given: z.output<typeof producerGuardSchema>): ProducerGuardConfig {
  const { releaseAfter, ...rest } = given;
  return { ...rest, releaseAfterMs: durationMs('the config', 'releaseAfter', releaseAfter) };
}
