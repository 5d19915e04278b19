const encoder = new TextEncoder();

/**
 * The partition of a key: FNV-1a of 32 bits over its UTF-8, modulo `partitions`. It is the hash of the broker's own subject
 * mapping `{{partition(n, …)}}`, so that publishers in other languages agree.
 *
 * Source: Fowler, Noll, Vo, http://www.isthe.com/chongo/tech/comp/fnv/. Cost: one step a byte.
 *
 * @param partitions a whole number >= 1
 * @example
 * partitionOf('btc', 8); // 0
 * partitionOf('', 8); // 5
 */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(key)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % partitions;
}
