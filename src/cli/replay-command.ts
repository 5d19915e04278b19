import type { Command } from 'commander';
import { Option } from 'commander';
import { StreamnormError } from '../errors.ts';
import { BadLines } from './bad-lines.ts';
import { addClientFlags, CLIENT_EXAMPLES, type ClientFlags, clientOptions } from './client-flags.ts';
import { systemClock } from './clock.ts';
import { plainly, socketUrl } from './connected.ts';
import { counted } from './counted.ts';
import { listOf, positiveOf } from './flag-values.ts';
import type { Host } from './host.ts';
import { Notices } from './notices.ts';
import { SocketNotices } from './socket-notices.ts';
import { asUsage } from './usage-error.ts';

interface ReplayFlags extends ClientFlags {
  format?: 'csv' | 'ndjson';
  features?: string[];
  time?: string;
  speed?: number;
  rate?: number;
  loop?: true;
  strict?: true;
}

const EXAMPLES = `
CSV rows are sent as records of the numeric columns, NDJSON values as they are. Rows that are due together go in one
message. When the server does not keep up, or is away, the recording stands still; more than a second late it goes on at
its pace from there. What was on its way when a connection broke is lost.

Examples:
  $ streamnorm replay sensors.csv ws://127.0.0.1:8080/in/sensors --rate 1000
  $ streamnorm replay trades.ndjson ws://127.0.0.1:8080/in/btc --speed 10 --time tradeTime --loop

Exit codes: 0 at the end, 2 wrong options, 65 bad data, 66 FILE cannot be read, 69 refused for good.`;

export function addReplayCommand(program: Command, host: Host): void {
  const command = program
    .command('replay')
    .summary('a CSV or NDJSON file as a live feed')
    .description('Plays a recording into a channel of a server, at its own timestamps or at a rate.')
    .argument('<file>', 'CSV or NDJSON')
    .argument('<url>', 'of the channel: ws://host/in/<channel>')
    .addOption(
      new Option('--speed <factor>', 'on the times of the rows (default: 1)').argParser(positiveOf).conflicts('rate'),
    )
    .option('--rate <rows>', 'rows a second, instead of by their times', positiveOf)
    .option('--loop', 'begins again at the end, for ever')
    .option('--features <a,b>', 'columns to send (default: the numeric ones of CSV, all of NDJSON)', listOf)
    .option('--time <column>', 'time of a row: ms since 1970 or an ISO date (default: time, timestamp or ts)')
    .addOption(new Option('--format <name>', 'of the file (default: by its ending)').choices(['csv', 'ndjson']))
    .option('--strict', 'exit code 65 for the first bad line, and at the end when the server refused rows');
  addClientFlags(command)
    .addHelpText('after', CLIENT_EXAMPLES + EXAMPLES)
    .action((file, url, flags) => runReplay(file, socketUrl(url), flags, host));
}

async function runReplay(file: string, url: string, flags: ReplayFlags, host: Host): Promise<void> {
  const { lastValueFrom, tap } = await import('rxjs');
  const { replay } = await import('./replay.ts');
  const { features, time, speed = 1, rate, loop = false } = flags;
  const format = flags.format ?? (/\.csv$/i.test(file) ? 'csv' : 'ndjson');
  const notices = new Notices('replay', host);
  const bad = new BadLines(notices, flags.strict);
  const socket = new SocketNotices(notices);
  const clock = systemClock;
  const client = await clientOptions(url, flags, host, notices);
  const startMs = clock.elapsed();
  let rows = 0;
  const text = () => `${counted(rows, 'row')} sent, ${((clock.elapsed() - startMs) / 1000).toFixed(1)} s`;
  const pace = rate === undefined ? { speed } : { rate };
  const written = asUsage(() =>
    replay(
      file,
      url,
      { format, features, time, pace, loop },
      { clock, bad, status: (event) => socket.tell(event), client },
    ),
  );
  const watched = written.pipe(
    tap((count) => {
      rows += count;
      notices.progress(clock.elapsed(), text);
    }),
  );
  try {
    await lastValueFrom(watched, { defaultValue: 0 });
  } catch (error) {
    throw plainly(error);
  } finally {
    notices.clear();
  }
  const said = [
    bad.count > 0 && `${counted(bad.count, 'bad line')} left out`,
    socket.refused > 0 && `${counted(socket.refused, 'message')} refused`,
  ].filter((part) => part !== false);
  if (said.length > 0 || notices.onTerminal) notices.line([text(), ...said].join('; '));
  if (flags.strict && socket.refused > 0) throw new StreamnormError('DATA', 'the server refused rows');
}
