import type { NatsConnection } from '@nats-io/nats-core';
import type { Command } from 'commander';
import type { LogStatus } from '../nats/log-status.ts';
import type { LogConfig } from '../server/log-worker.ts';
import { countOf } from './flag-values.ts';
import type { Host } from './host.ts';
import { logConfig, type NatsFlags } from './nats-flags.ts';
import { Notices } from './notices.ts';

const EXAMPLES = `
Examples:
  $ streamnorm nats provision --nats nats://127.0.0.1:4222 --config streamnorm.json
  $ streamnorm nats status --nats nats://127.0.0.1:4222 --config streamnorm.json
  $ streamnorm nats repartition --nats nats://127.0.0.1:4222 --config streamnorm.json --channel ticks --partitions 16

Exit codes: 0, 2 wrong options, 66 the config cannot be read, 69 the broker cannot be reached or has other streams,
78 wrong config.`;

export function addNatsCommand(program: Command, host: Host): void {
  const nats = program
    .command('nats')
    .summary('the logs of channels on NATS: make them, look at them, change their partitions')
    .description('Makes and looks after the logs by which edges and workers share the work.')
    .addHelpText('after', EXAMPLES);
  const sub = (name: string, text: string) =>
    nats
      .command(name)
      .description(text)
      .requiredOption('--config <file>', 'channels, and nats, as JSON: the same as for serve')
      .option('--nats <url>', 'the broker; several of a cluster with commas between');
  sub('provision', 'Makes the streams of every channel; where they are, brings their limits up to date.').action(
    (flags: NatsFlags) => provision(flags, host),
  );
  sub('status', 'Says who has which partition, what is still to be done, and how old the checkpoints are.')
    .option('--json', 'for machines')
    .action((flags: NatsFlags & { json?: true }) => status(flags, host));
  sub('repartition', 'Changes the number of partitions of a channel. Stop the edges before, and let the workers run.')
    .requiredOption('--channel <name>', 'the channel')
    .requiredOption('--partitions <count>', 'how many it shall have', countOf)
    .action((flags: NatsFlags & { channel: string; partitions: number }) => repartition(flags, host));
}

async function provision(flags: NatsFlags, host: Host): Promise<void> {
  await connected(flags, async (connection, config) => {
    const { provisionLogs } = await import('../server/log-worker.ts');
    const notices = new Notices('nats', host);
    for (const { channel, partitions, epoch } of await provisionLogs(connection, config)) {
      notices.line(`channel ${channel}: ${partitions} partition${partitions === 1 ? '' : 's'}, epoch ${epoch}`);
    }
  });
}

async function status(flags: NatsFlags & { json?: true }, host: Host): Promise<void> {
  await connected(flags, async (connection, config) => {
    const { logStatus } = await import('../nats/log-status.ts');
    const all: LogStatus[] = [];
    for (const channel of config.channels.keys()) {
      all.push(await logStatus(connection, { prefix: config.nats.prefix, channel }));
    }
    host.stdout.write(flags.json === true ? `${JSON.stringify(all, null, 2)}\n` : all.map(tableOf).join('\n'));
  });
}

async function repartition(flags: NatsFlags & { channel: string; partitions: number }, host: Host): Promise<void> {
  await connected(flags, async (connection, config) => {
    const { repartition } = await import('../server/log-worker.ts');
    const notices = new Notices('nats', host);
    let told = 0;
    const { partitions, generation } = await repartition(connection, config, flags.channel, flags.partitions, (lag) => {
      if (lag === told) return;
      told = lag;
      notices.line(`${lag} partition${lag === 1 ? ' is' : 's are'} still to be folded by workers`);
    });
    notices.line(`channel ${flags.channel}: ${partitions} partitions, generation ${generation}`);
  });
}

async function connected(
  flags: NatsFlags,
  act: (connection: NatsConnection, config: LogConfig) => Promise<void>,
): Promise<void> {
  const config = await logConfig(flags);
  const { connectNats } = await import('../server/nats-connection.ts');
  const connection = await connectNats(config.nats, 'streamnorm nats');
  try {
    await act(connection, config);
  } finally {
    await connection.close();
  }
}

const COLUMNS = ['partition', 'owner', 'lag', 'rows', 'checkpoint', 'age'];

function tableOf(status: LogStatus): string {
  const { channel, generation, epoch, workers, dead, logBytes, maxLogBytes, partitions } = status;
  const rows = partitions.map(({ partition, owner, lag, rows, checkpoint }) => [
    String(partition),
    owner ?? '(nobody)',
    String(lag),
    String(rows),
    checkpoint === undefined ? '-' : String(checkpoint.source),
    checkpoint === undefined ? '-' : `${(checkpoint.ageMs / 1_000).toFixed(1)} s`,
  ]);
  const widths = COLUMNS.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  const log = `${(logBytes / 2 ** 20).toFixed(1)} of ${(maxLogBytes / 2 ** 20).toFixed(0)} MiB`;
  return [
    `channel ${channel}: epoch ${epoch}, generation ${generation}, ${workers.length} workers, log ${log}, ${dead} dead letters`,
    line(COLUMNS),
    ...rows.map(line),
    '',
  ].join('\n');
}
