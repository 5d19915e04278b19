import { randomBytes } from 'node:crypto';

/** A name for a numbering of rows that nobody has used before. */
export function newEpoch(): string {
  return randomBytes(5).readUIntLE(0, 5).toString(36);
}
