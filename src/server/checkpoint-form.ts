/** The first field of a checkpoint that is not what it must be; the state is for its statistic to judge. */
export function wrongField(saved: object): string | undefined {
  const { epoch, seq, seqLimit, producers, pending } = saved as Record<string, unknown>;
  if (typeof epoch !== 'string' || !/^[A-Za-z0-9]{1,32}$/.test(epoch)) return 'epoch';
  if (!isCount(seq)) return 'seq';
  if (!isCount(seqLimit) || seqLimit < seq) return 'seqLimit';
  const isProducer = (entry: unknown) =>
    Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string' && isCount(entry[1]);
  if (!Array.isArray(producers) || !producers.every(isProducer)) return 'producers';
  if (typeof pending !== 'object' || pending === null) return 'pending';
  return undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
