import { formatCount } from './format.ts';
import type { Source } from './messages.ts';

/** How the upstream feed of a channel fares, in words. */
export interface SourceText {
  /** For the colour of its dot. */
  health: 'good' | 'warn' | 'bad';
  /** `open`, `waiting: HTTP 503`, … */
  state: string;
  figures: readonly { name: string; value: string }[];
}

const HEALTH: Record<string, SourceText['health']> = { open: 'good', failed: 'bad' };

const STATES: Record<string, string> = {
  open: 'connected',
  waiting: 'waiting to try again',
  failed: 'failed for good: it is not tried again until the server restarts or its config is reloaded',
};

export function sourceText({ state, reason, lastBad, counts }: Source): SourceText {
  const of = (name: string) => counts[name] ?? 0;
  const figure = (name: string, value: number) => ({ name, value: formatCount(value) });
  const rare = [
    figure('missed', of('missed')),
    figure('duplicates', of('duplicate')),
    figure('late', of('late')),
    figure('dropped', of('dropped')),
  ].filter(({ value }) => value !== '0');
  return {
    health: HEALTH[state] ?? 'warn',
    state: `${STATES[state] ?? state}${reason === undefined ? '' : ` (${reason})`}`,
    figures: [
      figure('messages', of('message')),
      figure('reconnects', Math.max(0, of('connected') - 1)),
      figure('gaps', of('hole')),
      ...rare,
      { name: 'unreadable', value: `${formatCount(of('bad'))}${lastBad === undefined ? '' : ` (last: ${lastBad})`}` },
    ],
  };
}
