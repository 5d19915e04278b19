import { formatNumber } from './format.ts';
import type { Drift } from './messages.ts';

const ACTIONS: Record<string, string> = {
  tell: '',
  reset: '; its statistics began anew',
  faster: '; its statistics forget faster now',
};

/** What a drift says, in words: `bid rose from 1.02 to 3.40 (adwin); its statistics began anew`. */
export function driftText({ feature, kind, meanBefore, meanAfter, detector, action }: Drift): string {
  const verb = kind === 'increase' ? 'rose' : kind === 'decrease' ? 'fell' : 'drifted';
  const from =
    meanBefore === undefined || meanAfter === undefined ? '' : ` from ${short(meanBefore)} to ${short(meanAfter)}`;
  const by = detector === undefined ? '' : ` (${detector})`;
  return `mean of ${feature} ${verb}${from}${by}${ACTIONS[action ?? 'tell'] ?? ''}`;
}

/** On the curve there is room for little. */
export function driftLabel({ kind }: Drift): string {
  return kind === 'increase' ? 'drift ↑' : kind === 'decrease' ? 'drift ↓' : 'drift';
}

const short = (value: number): string => {
  const size = Math.abs(value);
  return formatNumber(value, size === 0 ? 0 : Math.min(9, Math.max(0, 3 - Math.floor(Math.log10(size)))));
};
