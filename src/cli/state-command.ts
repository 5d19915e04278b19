import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { StreamnormError } from '../errors.ts';
import { EXPORT_OPTIONS, exportState } from '../exchange/export-state.ts';
import { FORMAT_NAMES, FORMATS, type Format, formatOf } from '../exchange/format.ts';
import { IMPORT_OPTIONS, importState } from '../exchange/import-state.ts';
import { LAYER_OPTIONS, requireLayerOptions } from '../exchange/layer.ts';
import { lostBy } from '../exchange/lost-by.ts';
import { listOf, numberOf } from './flag-values.ts';
import type { Host } from './host.ts';
import { Notices } from './notices.ts';
import { Output } from './output.ts';
import { stateTable } from './state-table.ts';
import { asUsage, UsageError } from './usage-error.ts';
import { writeFile } from './write-file.ts';

interface ReadFlags extends Record<string, unknown> {
  from?: Format;
}

interface ConvertFlags extends ReadFlags {
  to?: Format;
}

/** The longest ending first. */
const ENDINGS: readonly (readonly [string, Format])[] = [
  ['.keras.safetensors', 'keras-safetensors'],
  ['.keras.json', 'keras'],
  ['.sklearn.json', 'sklearn'],
  ['.safetensors', 'safetensors'],
  ['.json', 'json'],
];

interface Meaning {
  /** The option of reading. */
  read?: string;
  /** The option of writing; `writeInstead` where it is none of reading. */
  write?: string;
  writeInstead?: string;
}

const FLAGS: Readonly<Record<string, Meaning>> = {
  prefix: { read: 'prefix', writeInstead: 'prefix' },
  outPrefix: { write: 'prefix' },
  features: { read: 'features' },
  key: { read: 'key' },
  alpha: { read: 'alpha' },
  retain: { read: 'retain' },
  halfLife: { read: 'halfLife' },
  cumulative: { read: 'cumulative' },
  eps: { read: 'eps' },
  batchSize: { read: 'batchSize', write: 'batchSize' },
  dtype: { write: 'dtype' },
  affine: { write: 'affine' },
};

const EXAMPLES = `
Formats, by --from and --to, else IN by what is in it and OUT by the ending of its name:
${ENDINGS.map(([ending, format]) => `  ${format.padEnd(17)} ${ending.padEnd(18)} ${FORMATS[format].help}`).join('\n')}

Examples:
  a layer of a PyTorch model, as a state that pipe goes on with
    $ streamnorm state convert model.safetensors state.json --prefix bn1. --features x1,x2
    $ streamnorm pipe --method batch --state state.json < new.ndjson
  and back, into a file for load_state_dict
    $ streamnorm state convert state.json bn.safetensors --out-prefix bn1.
  a StandardScaler that goes on learning
    $ streamnorm state convert scaler.sklearn.json state.json

Exit codes: 0 done, 2 wrong options, 65 a file that holds no usable state, 66 a file cannot be read, 69 a file cannot be
written.`;

export function addStateCommand(program: Command, host: Host): void {
  const state = program
    .command('state')
    .summary('shows saved statistics; converts them from and to PyTorch, Keras, scikit-learn')
    .description('Saved statistics: shows them, and converts them from and to PyTorch, Keras and scikit-learn.')
    .addHelpText('after', EXAMPLES);
  const convert = state
    .command('convert')
    .description('Converts a state. OUT is written whole or not at all.')
    .argument('<in>', 'file to read')
    .argument('<out>', 'file to write');
  addReadFlags(convert)
    .addOption(new Option('--to <format>', 'of OUT').choices(FORMAT_NAMES))
    .option('--out-prefix <text>', 'goes before the names of the tensors in OUT (--prefix, where IN has none)')
    .addOption(new Option('--dtype <name>', 'of the numbers in a safetensors file').choices(['F64', 'F32']))
    .option('--affine', 'writes weight and bias where there are none, as ones and zeros')
    .option('--no-affine', 'leaves weight and bias out')
    .addHelpText('after', EXAMPLES)
    .action((from: string, to: string, flags: ConvertFlags) => convertState(from, to, flags, host));
  const show = state.command('show').description('Prints a state as a table.').argument('<file>', 'file to read');
  addReadFlags(show).action((file: string, flags: ReadFlags) => showState(file, flags, host));
}

function addReadFlags(command: Command): Command {
  return command
    .addOption(new Option('--from <format>', 'of the file that is read').choices(FORMAT_NAMES))
    .option('--prefix <text>', 'which layer of a safetensors file, such as bn1.')
    .option('--features <a,b>', 'names of the features', listOf)
    .option('--key <key>', 'which of the states that pipe --key wrote')
    .option('--alpha <number>', "weight of a new batch; PyTorch's momentum [safetensors, keras]", numberOf)
    .option('--retain <number>', "weight of the old value; Keras's momentum [safetensors, keras]", numberOf)
    .option('--half-life <batches>', 'half-life of a batch [safetensors, keras]', numberOf)
    .option('--cumulative', "every batch weighs the same; PyTorch's momentum=None [safetensors, keras]")
    .option('--eps <number>', 'added to the variance before the root [safetensors, keras]', numberOf)
    .option('--batch-size <rows>', 'of each batch that the layer saw [safetensors, keras]', numberOf)
    .addOption(new Option('--momentum <number>').hideHelp());
}

async function convertState(from: string, to: string, flags: ConvertFlags, host: Host): Promise<void> {
  const format = flags.to ?? formatOfName(to);
  checkFlags(flags);
  const bytes = await read(from);
  const { state, content } = named(from, () => {
    const found = flags.from ?? formatOf(bytes);
    const options = optionsOf(flags, found, format);
    const state = importState(bytes, { format: found, ...options.reading });
    return { state, content: exportState(state, format, options.writing) };
  });
  await writeFile(to, content);
  const lost = lostBy(state, format);
  if (lost.length > 0) new Notices('state convert', host).line(`${to} does not keep ${lost.join(', ')}`);
}

async function showState(file: string, flags: ReadFlags, host: Host): Promise<void> {
  checkFlags(flags);
  const bytes = await read(file);
  const text = named(file, () => {
    const format = flags.from ?? formatOf(bytes);
    const state = importState(bytes, { format, ...optionsOf(flags, format).reading });
    return stateTable(state, format);
  });
  const output = new Output(host.stdout);
  await output.write(text);
  await output.finish();
}

function formatOfName(file: string): Format {
  const found = ENDINGS.find(([ending]) => file.toLowerCase().endsWith(ending));
  if (found !== undefined) return found[1];
  const endings = ENDINGS.map(([ending]) => ending).join(', ');
  throw new UsageError(`the name ${file} says no format: it must end in ${endings}, or --to must say it`);
}

/** The flags that were given, as options of reading and of writing; each must be of use to one of them. */
function optionsOf(flags: ConvertFlags, from: Format, to?: Format) {
  const reading: Record<string, unknown> = {};
  const writing: Record<string, unknown> = {};
  for (const [flag, { read, write, writeInstead }] of Object.entries(FLAGS)) {
    if (flags[flag] === undefined) continue;
    const reads = read !== undefined && IMPORT_OPTIONS[from].includes(read);
    const written = reads ? write : (write ?? writeInstead);
    const writes = written !== undefined && to !== undefined && EXPORT_OPTIONS[to].includes(written);
    if (reads) reading[read] = flags[flag];
    if (writes) writing[written] = flags[flag];
    if (reads || writes) continue;
    const dashed = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${dashed} means nothing for ${from}${to === undefined ? '' : ` to ${to}`}`);
  }
  return { reading, writing };
}

/** Wrong values are told before anything is read. */
function checkFlags({ momentum, ...flags }: ReadFlags): void {
  if (momentum !== undefined) {
    throw new UsageError(
      `there is no --momentum, since it has two opposite meanings: PyTorch's weighs the new value (--alpha ${momentum}), ` +
        `Keras's the old one (--retain ${momentum})`,
    );
  }
  const given = LAYER_OPTIONS.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]);
  asUsage(() => requireLayerOptions('state', Object.fromEntries(given)));
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new StreamnormError('NO_INPUT', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** What a file holds is data here: exit code 65. */
function named<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof StreamnormError)) throw cause;
    throw new StreamnormError('DATA', `${file}: ${cause.message}`, { cause });
  }
}
