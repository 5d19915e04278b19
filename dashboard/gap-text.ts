import { formatCount } from './format.ts';

/** What a reason of a gap means, for somebody who has not read the documentation. */
const MEANINGS: Record<string, string> = {
  slow: 'this page or its line was too slow',
  history: 'they are older than what the server keeps',
  restart: 'the server was killed; these numbers may never have been used',
  'not replayed': 'the server did not send them again',
  missing: 'nobody said why',
};

/** A gap of `count` rows in words. */
export function gapText(count: number, reason: string, keyed = false): string {
  const rows = `${formatCount(count)} row${count === 1 ? '' : 's'}${keyed ? ' of all keys' : ''}`;
  // A server that was killed leaves out the numbers that it may have given.
  const missing = reason === 'restart' ? `up to ${rows} missing` : `${rows} missing`;
  const meaning = MEANINGS[reason];
  return meaning === undefined ? missing : `${missing}: ${meaning}`;
}

/** The source of the channel was away or left something out: such rows never had numbers. */
export function upstreamText(missed: number | null | undefined): string {
  if (missed == null) return 'the source of the channel was interrupted; how much is missing is unknown';
  return `${formatCount(missed)} message${missed === 1 ? '' : 's'} of the source missing`;
}
