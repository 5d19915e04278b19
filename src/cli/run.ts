import { Command, CommanderError } from 'commander';
import { version } from '../server/version.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { type Host, StoppedBySignal } from './host.ts';
import { addNatsCommand } from './nats-command.ts';
import { BrokenPipe } from './output.ts';
import { addPipeCommand } from './pipe-command.ts';
import { addReplayCommand } from './replay-command.ts';
import { addServeCommand } from './serve-command.ts';
import { addStateCommand } from './state-command.ts';
import { addTailCommand } from './tail-command.ts';
import { addWorkerCommand } from './worker-command.ts';

/**
 * Runs the command line.
 *
 * @param args without the names of node and the script
 * @returns the exit code
 */
export async function run(args: readonly string[], host: Host, debug = false): Promise<number> {
  const program = programOf(host);
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

function programOf(host: Host): Command {
  const program = new Command('streamnorm')
    .description('Streaming online normalizer: a Unix filter and a WebSocket server.')
    .version(version(), '--version', 'prints the version')
    .helpOption('-h, --help', 'prints this')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ helpWidth: 110, showGlobalOptions: false });
  addServeCommand(program, host);
  addPipeCommand(program, host);
  addReplayCommand(program, host);
  addTailCommand(program, host);
  addStateCommand(program, host);
  addWorkerCommand(program, host);
  addNatsCommand(program, host);
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
