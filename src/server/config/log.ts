import * as z from 'zod';
import { LOG_LEVELS } from '../log.ts';

/** What the log holds, and how `serve` writes it. */
export const logSchema = z
  .strictObject({
    level: z.enum(LOG_LEVELS).default('info').describe('the least level that is written'),
    pretty: z
      .boolean()
      .optional()
      .describe('lines for people instead of JSON; by default where standard error is a terminal'),
  })
  .prefault({});
