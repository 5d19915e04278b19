import { type Command, Option } from 'commander';
import { windowSize } from '../core/batch-windows.ts';
import { requireMaxKeys } from '../core/key-table.ts';
import { DEFAULT_MAX_KEYS } from '../core/keyed-normalizer.ts';
import { createNormalizer, type Method, type MethodOptions, WEIGHTED_METHODS } from '../core/methods.ts';
import { requireJudge } from '../core/row-judge.ts';
import { BadLines } from './bad-lines.ts';
import { systemClock } from './clock.ts';
import { counted } from './counted.ts';
import { DriftEvents } from './drift-events.ts';
import { countOf, listOf } from './flag-values.ts';
import { type Host, StoppedBySignal, type StopSignal } from './host.ts';
import { KeptOut } from './kept-out.ts';
import { addMethodFlags, methodOptions } from './method-flags.ts';
import { Notices } from './notices.ts';
import { Output } from './output.ts';
import { type PipeResult, pipe } from './pipe.ts';
import { Rejects } from './rejects.ts';
import { requireUnchanged } from './require-unchanged.ts';
import { readStates, type SavedStates, savedForm } from './saved-state.ts';
import { StdinChunks } from './stdin-chunks.ts';
import { asUsage, UsageError } from './usage-error.ts';
import { requireWritable, writeJsonFile } from './write-file.ts';

interface PipeFlags {
  format: 'csv' | 'ndjson';
  features?: string[];
  method: Method;
  key?: string;
  time?: string;
  sampleWeight?: string;
  maxKeys?: number;
  maxPending: number;
  state?: string;
  stats?: string;
  events?: string;
  rejects?: string;
  strict?: true;
}

const EXAMPLES = `
CSV in gives CSV out with the same header, columns and row order; only the features are replaced, and a value that is
missing is an empty field. NDJSON gives the same records, lists or numbers with the features replaced; missing is null.
In CSV an empty field, NaN, null and NA are missing. Infinite and overflowing values enter no statistic and come out as
missing. Blank lines are left out. A line that cannot be read is reported, counted and left out, or ends the run with
--strict. Without a zone a time is UTC.

Examples:
  every numeric column, in batches of 64 rows, each by its own mean and deviation
    $ streamnorm pipe --format csv --size 64 < sensors.csv > normalised.csv
  each row at once, one set of statistics for each sensor, remembered from run to run
    $ tail -f log.ndjson | streamnorm pipe --features t,h --method ewma --half-life 10m --key sensor --state s.json
  new data by the statistics of old data, which do not move
    $ streamnorm pipe --format csv --state trained.json < old.csv > /dev/null
    $ streamnorm pipe --format csv --method frozen --state trained.json < new.csv

SIGINT and SIGTERM end the input: open batches are written, and so are --state and --stats.

Exit codes: 0 done, 2 wrong options, 65 bad data, 66 a file cannot be read, 69 a file cannot be written, 78 bad state,
130 and 143 after a signal.`;

export function addPipeCommand(program: Command, host: Host): void {
  const command = program
    .command('pipe')
    .summary('standard input → standard output')
    .description('Normalises rows from standard input to standard output, in constant memory.')
    .addOption(new Option('--format <name>', 'of input and output').choices(['ndjson', 'csv']).default('ndjson'))
    .option(
      '--features <a,b>',
      'what to normalise (default: all that is numeric in the first row but time, key and weight)',
      listOf,
    );
  addMethodFlags(command);
  command
    .option('--key <column>', 'separate statistics for each value of this column')
    .option(
      '--max-keys <count>',
      `keys that have statistics at a time; the one unused for longest is evicted: it begins anew when it comes again, or goes on with --state, which keeps what evicted keys knew in memory, about 2 KB a key of 8 features (default: ${DEFAULT_MAX_KEYS})`,
      countOf,
    )
    .option('--time <column>', 'time of a row: ms since 1970 or an ISO date (default: when it arrived)')
    .option(
      '--sample-weight <column>',
      `how much a row counts in the statistics, with ${WEIGHTED_METHODS.join(', ')}: 0, or 2^-256 to 2^256; a row without one is normalised, and not learned (default: all weigh 1)`,
    )
    .option('--max-pending <rows>', 'most rows that may wait for one before them', countOf, 1_000_000)
    .option('--state <file>', 'state to begin with, where the file exists, and to write at the end')
    .option('--stats <file>', 'final statistics, as JSON')
    .option('--rejects <file>', 'the lines that do not count, as they came: bad ones, late ones, those of --quarantine')
    .option('--events <file>', 'what --drift finds, as NDJSON (default: to standard error)')
    .option('--strict', 'the first bad line ends the run with exit code 65')
    .addHelpText('after', EXAMPLES)
    .action((flags) => runPipe(flags, host));
}

async function runPipe(flags: PipeFlags & Record<string, unknown>, host: Host): Promise<void> {
  const { method, key } = flags;
  const normalizer = methodOptions(method, flags);
  if (normalizer.lateness !== undefined && flags.time === undefined) {
    throw new UsageError('--lateness requires --time: without it rows are as old as they come');
  }
  if (flags.sampleWeight !== undefined && !WEIGHTED_METHODS.includes(method)) {
    throw new UsageError(
      `--sample-weight belongs to --method ${WEIGHTED_METHODS.join(', ')}; ${method} takes no weights`,
    );
  }
  if (flags.sampleWeight !== undefined && flags.features?.includes(flags.sampleWeight)) {
    throw new UsageError(`--sample-weight ${flags.sampleWeight} is one of --features: what weighs is not normalised`);
  }
  const keyed = key !== undefined;
  if (flags.events !== undefined && normalizer.drift === undefined) {
    throw new UsageError('--events belongs to --drift: nothing else makes events');
  }
  if (flags.maxKeys !== undefined && !keyed) throw new UsageError('--max-keys belongs to --key');
  const maxKeys = asUsage(() => requireMaxKeys('--key', flags.maxKeys ?? DEFAULT_MAX_KEYS));
  requirePending(flags.maxPending, method, normalizer);
  if (method === 'frozen' && flags.state !== undefined && normalizer.mean !== undefined) {
    throw new UsageError('--method frozen takes --state or --mean, not both');
  }
  const saved = flags.state === undefined ? undefined : await readStates(flags.state, keyed);
  if (method === 'frozen' && flags.state !== undefined && saved === undefined) {
    throw new UsageError(`--method frozen requires statistics, and ${flags.state} does not exist`);
  }
  asUsage(() => checkOptions(method, flags.features, normalizer, saved));
  // given statistics are read from the file and never change it
  const stateFile = method === 'frozen' ? undefined : flags.state;
  for (const file of [stateFile, flags.stats]) if (file !== undefined) await requireWritable(file);
  const rejects = flags.rejects === undefined ? undefined : await Rejects.open(flags.rejects);

  const notices = new Notices('pipe', host);
  const bad = new BadLines(notices, flags.strict, rejects);
  const keptOut = new KeptOut(notices, rejects);
  const output = new Output(host.stdout);
  const events = normalizer.drift === undefined ? undefined : new DriftEvents(flags.events, keyed, host, notices);
  const tellDrift = events?.tell.bind(events);
  const keepsEvicted = flags.state !== undefined;
  const tellEviction = () =>
    notices.line(
      `there are more keys than --max-keys ${maxKeys}: ${keepsEvicted ? 'statistics of those that are evicted wait for them' : 'those that are evicted lose their statistics; --state keeps them'}`,
    );
  const options = { ...flags, normalizer, saved: saved ?? new Map(), maxKeys, keepsEvicted, tellDrift, tellEviction };
  const input = new StdinChunks(host.stdin);
  let signal: StopSignal | undefined;
  const stopListening = host.onSignal((received) => {
    // the first ends the input, so that nothing is lost; the next ends the process
    stopListening();
    signal = received;
    input.stop();
  });
  let result: PipeResult;
  try {
    result = await pipe(input, options, { output, bad, keptOut, rejects, notices, clock: systemClock });
  } finally {
    stopListening();
    await rejects?.close();
    notices.clear();
    events?.close();
  }
  if (stateFile !== undefined && result.states.length > 0)
    await writeJsonFile(stateFile, savedForm(result.states, keyed));
  if (flags.stats !== undefined) await writeJsonFile(flags.stats, statistics(result, bad, keptOut, method, keyed));
  summarise(result, bad, keptOut, notices);
  if (signal !== undefined) throw new StoppedBySignal(signal);
}

function requirePending(maxPending: number, method: Method, options: MethodOptions): void {
  const size = method === 'batch' ? windowSize(options) : undefined;
  if (size !== undefined && size > maxPending) {
    throw new UsageError(`--size ${size} requires a --max-pending of at least as many rows, got ${maxPending}`);
  }
}

/** Wrong options are told before anything is read, as far as they can be known without the features. */
function checkOptions(
  method: Method,
  features: readonly string[] | undefined,
  options: MethodOptions,
  saved: SavedStates | undefined,
): void {
  const { range, required, ...rest } = options;
  const vectors = [options.mean, options.weight, options.bias, options.prior?.mean];
  const width = vectors.find((list) => list !== undefined && list !== null)?.length ?? 1;
  const names = features ?? Array.from({ length: width }, (_, i) => String(i));
  // without the features their names cannot be judged
  const judged = features === undefined ? rest : options;
  if (features === undefined) requireJudge('pipe', { ...(range && { range }), ...(required && { required }) });
  if (saved === undefined) createNormalizer(method, names, judged);
  else if (method !== 'frozen') requireUnchanged(method, names, judged, saved);
  if (features !== undefined)
    for (const state of saved?.values() ?? []) createNormalizer(method, features, options, { state });
}

function statistics(result: PipeResult, bad: BadLines, keptOut: KeptOut, method: Method, keyed: boolean): unknown {
  const { rows, excluded, closedEarly, evictions, features = [], reports } = result;
  const out = { keptOut: keptOut.count, reasons: keptOut.reasons };
  const counts = { method, rows, badLines: bad.count, ...out, excludedValues: excluded, closedEarly, features };
  if (keyed) return { ...counts, evictions, keys: reports() };
  const [first] = reports();
  return { ...counts, statistics: first?.[1] ?? null };
}

function summarise(result: PipeResult, bad: BadLines, keptOut: KeptOut, notices: Notices): void {
  const said = [
    bad.count > 0 && `${counted(bad.count, 'bad line')} left out`,
    keptOut.count > 0 && `${counted(keptOut.count, 'row')} kept out of the statistics (${reasonsOf(keptOut)})`,
    result.excluded > 0 && `${counted(result.excluded, 'value')} infinite or too large, left out of the statistics`,
    result.closedEarly > 0 &&
      `${counted(result.closedEarly, 'batch', 'batches')} closed early because of --max-pending`,
    result.evictions > 0 && `${counted(result.evictions, 'key')} evicted because of --max-keys`,
  ].filter((text) => text !== false);
  if (said.length > 0 || notices.onTerminal) notices.line([counted(result.rows, 'row'), ...said].join('; '));
}

function reasonsOf({ reasons }: KeptOut): string {
  return Object.entries(reasons)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(', ');
}
