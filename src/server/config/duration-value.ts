import * as z from 'zod';
import { durationMs } from '../../core/duration.ts';

/** The longest time that a timer of Node can wait. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

export const DURATION_RULE = "must be a number of ms or a text such as '250ms', '30s', '5m', '2h'";

/** A duration of the configuration, called `name` in its errors. */
export const durationValue = (name: string) =>
  z.union([z.number(), z.string()], DURATION_RULE).superRefine((value, context) => {
    try {
      if (durationMs('the config', name, value) > MAX_TIMER_MS) context.addIssue('must be at most 24 days');
    } catch (error) {
      context.addIssue((error as Error).message);
    }
  });
