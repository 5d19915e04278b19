import type { ConnectionState } from './connection.ts';
import { formatAge, formatCount, formatTime } from './format.ts';
import type { ChannelDetails } from './messages.ts';

/** What is wrong, what that means, and what to do: for somebody who was woken up for it. */
export interface Problem {
  severity: 'warn' | 'bad';
  title: string;
  advice: string;
  /** What the button beside it does; none without. */
  action?: 'retry' | 'sign-in';
}

export interface Situation {
  channel: string;
  /** Of a channel with keys. */
  key: string | undefined;
  state: ConnectionState;
  now: number;
  /** An open connection without rows for this long is stale. */
  staleMs: number;
  lostAt: number | undefined;
  lastRowAt: number | undefined;
  /** As last asked for. */
  details: ChannelDetails | undefined;
  /** Why the server does not do all that it should; undefined when all is well. */
  degraded: string | undefined;
}

/** The worst that is wrong with the channel that is open; undefined when nothing is. */
export function problemOf(situation: Situation): Problem | undefined {
  const { state, now, staleMs, lastRowAt, lostAt, degraded, channel } = situation;
  const lastRow = lastRowAt === undefined ? '' : ` The curves end at ${formatTime(lastRowAt)}.`;
  switch (state.kind) {
    case 'waiting':
    case 'connecting': {
      if (state.kind === 'connecting' && !state.again) return undefined;
      const since = lostAt === undefined ? '' : ` at ${formatTime(lostAt)}, ${formatAge(now - lostAt)} ago`;
      const why = state.kind === 'waiting' ? ` (${state.reason})` : '';
      return {
        severity: 'bad',
        title: `${lostAt === undefined ? 'No connection to the server' : `Connection lost${since}`}${why}`,
        advice:
          `${lastRow.trim()} The page goes on trying, and fetches the rows in between if the server still has them. If this lasts: is the process running, and does the network reach it?`.trim(),
        action: 'retry',
      };
    }
    case 'closed':
      return closedProblem(channel, state.code, state.reason, lastRow);
    case 'open': {
      const silenceMs = now - Math.max(state.since, lastRowAt ?? 0);
      if (silenceMs > staleMs) return silentProblem(situation, silenceMs);
      if (degraded !== undefined) {
        return {
          severity: 'warn',
          title: 'The server is degraded',
          advice: `${sentence(degraded)} Rows still go through; see its log.`,
        };
      }
      return undefined;
    }
  }
}

function closedProblem(channel: string, code: number | undefined, reason: string, lastRow: string): Problem {
  switch (code) {
    case 4401:
      return {
        severity: 'bad',
        title: 'Not signed in',
        advice: `${sentence(reason)}${lastRow} Enter a token to go on.`,
        action: 'sign-in',
      };
    case 4403:
      return {
        severity: 'warn',
        title: `This token may not read the rows of ${channel}`,
        advice:
          'So there are no curves. What it may see, statistics and counters, is asked for every 5 s. A token with out for this channel shows all.',
        action: 'sign-in',
      };
    case 4404:
      return {
        severity: 'bad',
        title: `There is no channel ${channel} any more`,
        advice: `It was removed or renamed in the configuration of the server.${lastRow} Choose another one above.`,
        action: 'retry',
      };
    default:
      return {
        severity: 'bad',
        title: `The server refused this page: ${reason}`,
        advice: `It will not try again by itself.${lastRow} After an update of the server, reload the page.`,
        action: 'retry',
      };
  }
}

/** Connected, and nothing comes: whose fault is it? The nearest cause that the server knows. */
function silentProblem({ channel, key, lastRowAt, details }: Situation, silenceMs: number): Problem {
  const age = formatAge(silenceMs);
  const title = lastRowAt === undefined ? `No rows yet, for ${age}` : `No rows for ${age}`;
  return { severity: 'warn', title, advice: `This page is connected. ${silenceCause(channel, key, details)}` };
}

function silenceCause(channel: string, key: string | undefined, details: ChannelDetails | undefined): string {
  if (details === undefined) return 'The server does not say why.';
  const { source, producers = 0, pending = 0, counters } = details;
  if (source !== undefined && source.state !== 'open') {
    return `The source ${source.url} is ${source.state}${source.reason === undefined ? '.' : `: ${sentence(source.reason)}`}`;
  }
  if (source !== undefined) return `The source ${source.url} is open but sends no rows.`;
  if (producers === 0) return `No producer is connected to /in/${channel}: nobody feeds it.`;
  const who = producers === 1 ? 'A producer is connected' : `${formatCount(producers)} producers are connected`;
  const refused = Object.entries(counters?.errors ?? {}).filter(([, count]) => count > 0);
  if (pending > 0) return `${who}; ${formatCount(pending)} rows wait for their window to close.`;
  if (key !== undefined) return `${who}; none has sent rows of key ${key}, or only long ago.`;
  if (refused.length > 0) {
    const codes = refused.map(([code, count]) => `${code} ${formatCount(count)}`).join(', ');
    return `${who}, but sends nothing that can be taken. Refused so far: ${codes}.`;
  }
  return `${who}, but sends nothing.`;
}

/** With a capital and a full stop, however the server ends its texts. */
function sentence(text: string): string {
  if (text === '') return '';
  const whole = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
