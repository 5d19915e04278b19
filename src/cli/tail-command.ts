import type { Command } from 'commander';
import { addClientFlags, CLIENT_EXAMPLES, type ClientFlags, clientOptions } from './client-flags.ts';
import { plainly, socketUrl } from './connected.ts';
import { countOf } from './flag-values.ts';
import type { Host } from './host.ts';
import { Notices } from './notices.ts';
import { BrokenPipe } from './output.ts';
import { SocketNotices } from './socket-notices.ts';
import { asUsage } from './usage-error.ts';

/** Text kept while standard output is full; then the connection is given up, and taken up again where it was. */
const MOST_UNWRITTEN_BYTES = 8 * 1024 * 1024;

interface TailFlags extends ClientFlags {
  rawMessages?: true;
  count?: number;
}

const EXAMPLES = `
Prints one line for each row: {"seq":1201,"t":1732450000000,"z":[0.42,-1.3]}, with raw and flags where the URL includes them.
What is no row (gaps, drift, the server going) is told on standard error. After a break it goes on after the last row.

Examples:
  $ streamnorm tail ws://127.0.0.1:8080/out/sensors
  $ streamnorm tail 'ws://127.0.0.1:8080/out/sensors?include=z,raw' --count 100 > rows.ndjson
  $ streamnorm tail ws://127.0.0.1:8080/out/sensors | jq -c '.z'

Exit codes: 0 after --count rows, 2 wrong options, 69 refused for good.`;

export function addTailCommand(program: Command, host: Host): void {
  const command = program
    .command('tail')
    .summary('a subscriber: NDJSON on standard output')
    .description('Follows a channel of a server and prints its rows; reconnects for ever.')
    .argument('<url>', 'of the channel: ws://host/out/<channel>')
    .option('--count <rows>', 'stops after so many rows', countOf)
    .option('--raw-messages', 'prints messages as they are');
  addClientFlags(command)
    .addHelpText('after', CLIENT_EXAMPLES + EXAMPLES)
    .action((url, flags) => runTail(socketUrl(url), flags, host));
}

async function runTail(url: string, flags: TailFlags, host: Host): Promise<void> {
  const { tail } = await import('./tail.ts');
  const notices = new Notices('tail', host);
  const socket = new SocketNotices(notices);
  const { stdout } = host;
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  let stop = () => {};
  const client = await clientOptions(url, flags, host, notices);
  const events = asUsage(() => tail(url, flags.rawMessages === true, (event) => socket.tell(event), client));

  const failed = new Promise<never>((_, reject) => {
    stdout.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EPIPE' ? new BrokenPipe('closed') : error),
    );
  });
  /** Follows until all rows are there (true) or standard output is full (false). */
  const follow = () =>
    new Promise<boolean>((resolve, reject) => {
      const subscription = events.subscribe({
        next: (event) => {
          // the rest of the message that held the last row
          if (left <= 0) return;
          if (event.type === 'notice') notices.line(event.text);
          else stdout.write(`${event.line}\n`);
          if (event.type === 'row') left -= 1;
          else if (event.type === 'message') left -= event.rows;
          if (left <= 0) resolve(true);
          else if (stdout.writableLength > MOST_UNWRITTEN_BYTES) resolve(false);
        },
        error: (error) => reject(plainly(error)),
      });
      stop = () => subscription.unsubscribe();
    });
  try {
    while (!(await Promise.race([follow(), failed]))) {
      stop();
      await Promise.race([new Promise((resolve) => stdout.once('drain', resolve)), failed]);
    }
  } finally {
    stop();
  }
}
