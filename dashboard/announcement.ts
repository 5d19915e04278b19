import { decimalsFor, formatNumber } from './format.ts';
import type { Statistics, Value } from './messages.ts';

/** Nobody listens to more. */
const MOST = 4;

export interface Latest {
  features: readonly string[];
  raw: readonly Value[];
  z: readonly Value[];
  stats: Statistics | undefined;
}

/** The newest row, to be said aloud now and then; what is out of the ordinary comes first. Empty while there is none. */
export function announcementOf({ features, raw, z, stats }: Latest): string {
  if (z.length === 0) return '';
  const order = features.map((_, i) => i).sort((a, b) => outlying(z[b]) - outlying(z[a]));
  const said = order.slice(0, MOST).map((i) => {
    const value = formatNumber(raw[i], decimalsFor(stats?.std[i], 2));
    return `${features[i]} ${value}, z ${formatNumber(z[i], 1)}${outlying(z[i]) ? ', out of the ordinary' : ''}`;
  });
  const more = features.length - said.length;
  return `${said.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

const outlying = (z: Value | undefined): number => (Math.abs(z ?? 0) > 3 ? 1 : 0);
