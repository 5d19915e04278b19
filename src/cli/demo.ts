import { fileURLToPath } from 'node:url';
import { merge, type Subscription } from 'rxjs';
import { BadLines } from './bad-lines.ts';
import { systemClock } from './clock.ts';
import { DEMO_CHANNELS } from './demo-channels.ts';
import type { Notices } from './notices.ts';
import { replay } from './replay.ts';
import { SocketNotices } from './socket-notices.ts';

/** Ships with the package; the path holds from `src/cli` and from `dist/cli`. */
const RECORDING = fileURLToPath(new URL('../../data/suthaharan-multi-hop.csv', import.meta.url));
const ROWS_PER_SECOND = 50;

/** Plays the recording that ships with the package into the demo channels over real WebSockets, for ever. */
export function playDemo(
  port: number,
  host = '127.0.0.1',
  notices: Pick<Notices, 'line'>,
  token: string | undefined,
): Subscription {
  const client = token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
  const bad = new BadLines(notices);
  const options = {
    format: 'csv' as const,
    features: ['humidity', 'temperature'],
    pace: { rate: ROWS_PER_SECOND },
    loop: true,
  };
  const feeds = Object.keys(DEMO_CHANNELS).map((channel) => {
    const socket = new SocketNotices(notices);
    const url = `ws://${reachable(host)}:${port}/in/${channel}`;
    return replay(RECORDING, url, options, { clock: systemClock, bad, status: (event) => socket.tell(event), client });
  });
  return merge(...feeds).subscribe({ error: (error) => notices.line(`the demo ended: ${(error as Error).message}`) });
}

/** Where this machine finds a server that listens on `host`. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
