import { Command, CommanderError } from 'commander';
import { version } from '../server/version.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { type Host, StoppedBySignal } from './host.ts';
import { BrokenPipe } from './output.ts';

type AddCommand = (program: Command, host: Host) => void;

/** Where each command is; only the one that is called is loaded, which is most of what starting takes. */
const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ['serve', async () => (await import('./serve-command.ts')).addServeCommand],
  ['pipe', async () => (await import('./pipe-command.ts')).addPipeCommand],
  ['replay', async () => (await import('./replay-command.ts')).addReplayCommand],
  ['tail', async () => (await import('./tail-command.ts')).addTailCommand],
  ['state', async () => (await import('./state-command.ts')).addStateCommand],
  ['worker', async () => (await import('./worker-command.ts')).addWorkerCommand],
  ['nats', async () => (await import('./nats-command.ts')).addNatsCommand],
]);

/**
 * Runs the command line.
 *
 * @param args without the names of node and the script
 * @returns the exit code
 */
export async function run(args: readonly string[], host: Host, debug = false): Promise<number> {
  const program = await programOf(args[0], host);
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof BrokenPipe) return EXIT.ok;
    if (error instanceof StoppedBySignal) return error.exitCode;
    // commander has printed what is wrong
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const command = program.commands.find((one) => one.name() === args[0])?.name();
    const text = debug && error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
    host.stderr.write(`${['streamnorm', command].filter(Boolean).join(' ')}: ${text}\n`);
    return exitCodeOf(error);
  }
}

/** With the command `called`, or with all: for help, and to say what there is. */
async function programOf(called: string | undefined, host: Host): Promise<Command> {
  const program = new Command('streamnorm')
    .description('Streaming online normalizer: a Unix filter and a WebSocket server.')
    .version(version(), '--version', 'prints the version')
    .helpOption('-h, --help', 'prints this')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ helpWidth: 110, showGlobalOptions: false });
  const one = COMMANDS.get(called ?? '');
  for (const load of one === undefined ? COMMANDS.values() : [one]) (await load())(program, host);
  for (const [command, name] of withSubcommands(program, 'streamnorm')) {
    command.configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, `${name}: `)),
    });
    command.showHelpAfterError(`See ${name} --help`);
  }
  return program;
}

/** A command, those below it, and what a user types to call each. */
function withSubcommands(command: Command, name: string): [Command, string][] {
  const below = command.commands.flatMap((sub) => withSubcommands(sub, `${name} ${sub.name()}`));
  return [[command, name], ...below];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
