import type { Command } from 'commander';
import type { WorkerEvent } from '../nats/run-worker.ts';
import { type Host, signalExitCode } from './host.ts';
import { logConfig, type NatsFlags } from './nats-flags.ts';
import { Notices } from './notices.ts';

const EXAMPLES = `
Any number of workers share the partitions of all channels, ceil(partitions / workers) each. What a worker has not done when
it dies, others do: every row comes out once. SIGTERM hands its partitions over in order; a second one ends it at once.

Example:
  $ streamnorm nats provision --nats nats://127.0.0.1:4222 --config streamnorm.json
  $ streamnorm worker --nats nats://127.0.0.1:4222 --config streamnorm.json

Exit codes: 0 after a signal, 2 wrong options, 66 the config cannot be read, 69 the broker cannot be reached or has other
streams, 78 wrong config.`;

export function addWorkerCommand(program: Command, host: Host): void {
  program
    .command('worker')
    .summary('normalises what edges write to the logs on NATS; any number of them')
    .description('Takes a fair share of the partitions of every channel and normalises their rows.')
    .requiredOption('--config <file>', 'channels, and nats, as JSON: the same as for serve')
    .option('--nats <url>', 'the broker; several of a cluster with commas between')
    .option('--name <name>', 'name of this worker, unlike that of any other (default: a new one)')
    .addHelpText('after', EXAMPLES)
    .action((flags) => runWorkerCommand(flags, host));
}

async function runWorkerCommand(flags: NatsFlags & { readonly name?: string }, host: Host): Promise<void> {
  const notices = new Notices('worker', host);
  const config = await logConfig(flags);
  const stop = new AbortController();
  host.onSignal((signal) => {
    if (stop.signal.aborted) host.exit(signalExitCode(signal));
    notices.line(`${signal}: handing over`);
    stop.abort();
  });
  const { connectNats } = await import('../server/nats-connection.ts');
  const { runLogWorker } = await import('../server/log-worker.ts');
  const connection = await connectNats(config.nats, flags.name ?? 'streamnorm worker');
  try {
    notices.line(`at ${connection.getServer()}`);
    await runLogWorker(
      connection,
      config,
      { ...(flags.name !== undefined && { worker: flags.name }), onEvent: (event) => tell(event, notices) },
      stop.signal,
    );
    notices.line('all handed over');
  } finally {
    await connection.close();
  }
}

const DONE = { taken: 'taken', 'given-back': 'given back', lost: 'lost to another worker' } as const;

function tell(event: WorkerEvent, notices: Notices): void {
  if (event.type === 'progress') return;
  if (event.type === 'unreachable') {
    notices.line(`the broker does not answer: ${textOf(event.error)}`);
    return;
  }
  const of = `${event.channel} partition ${event.partition}`;
  if (event.type === 'rejected') notices.line(`${of}: message ${event.message} put aside: ${textOf(event.error)}`);
  else if (event.type === 'failure') notices.line(`${of}: begins again: ${textOf(event.error)}`);
  else notices.line(`${of}: ${DONE[event.type]}`);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
