import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  METHOD_NAMES,
  METHOD_OPTIONS,
  METHODS,
  type Method,
  type MethodOptions,
  type OptionName,
} from '../core/methods.ts';
import { rateOf } from '../core/rate.ts';
import { isNumber, listOf, numberOf } from './flag-values.ts';
import { UsageError } from './usage-error.ts';

const OPTION_NAMES = Object.keys(METHOD_OPTIONS) as OptionName[];

type Values = Readonly<Record<string, unknown>>;

/** `halfLife` as `--half-life`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Adds `--method` and a flag for each option that some method has. */
export function addMethodFlags(command: Command): void {
  const about = METHOD_NAMES.map((name) => `${name}: ${METHODS[name].help}`).join('; ');
  command.addOption(new Option('--method <name>', `how to normalise. ${about}`).default('batch').argParser(methodOf));
  for (const name of OPTION_NAMES) {
    const { type, help } = METHOD_OPTIONS[name];
    const methods = METHOD_NAMES.filter((method) => (METHODS[method].options as readonly string[]).includes(name));
    const flags = type === 'boolean' ? flagOf(name) : `${flagOf(name)} <${PLACEHOLDERS[type]}>`;
    const forWhich = methods.length === METHOD_NAMES.length ? '' : ` [${methods.join(', ')}]`;
    const option = new Option(flags, help + forWhich);
    command.addOption(type === 'boolean' ? option : option.argParser<unknown>(PARSERS[type]));
  }
  command.addOption(new Option('--momentum <number>').argParser(numberOf).hideHelp());
}

/**
 * The options of the method out of what was given on the command line.
 *
 * @throws TypeError, UsageError for `momentum`, two rates, and options that the method does not have
 */
export function methodOptions(method: Method, values: Values): MethodOptions {
  if (values.momentum !== undefined) explainMomentum(values.momentum);
  const has = METHODS[method].options as readonly OptionName[];
  const options: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) {
    if (values[name] === undefined) continue;
    if (!has.includes(name)) {
      throw new UsageError(`--method ${method} has no ${flagOf(name)}; it has ${has.map(flagOf).join(', ')}`);
    }
    options[name] = values[name];
  }
  return options as MethodOptions;
}

/** The core's words, as flags. */
function explainMomentum(momentum: unknown): void {
  try {
    rateOf('pipe', { momentum } as object);
  } catch (error) {
    const text = (error as Error).message.replace(/^pipe has/, 'there is');
    throw new UsageError(text.replace(/\b(alpha|retain): /g, '--$1 ').replace("'momentum'", '--momentum'));
  }
}

const PLACEHOLDERS = {
  number: 'number',
  duration: 'time',
  'duration-or-number': 'rows|time',
  numbers: 'a,b,…',
  word: 'word',
  words: 'a,b,…',
  renorm: 'rMax,dMax',
  prior: 'mean:std,…',
  range: 'min..max|name=min..max,…',
} as const;

const PARSERS = {
  number: numberOf,
  duration: timeOrNumber,
  'duration-or-number': timeOrNumber,
  numbers: (text: string) => text.split(',').map(numberOf),
  word: (text: string) => text,
  words: listOf,
  renorm: (text: string) => {
    const [rMax, dMax, ...more] = text.split(',').map(numberOf);
    if (dMax === undefined || more.length > 0) throw new InvalidArgumentError('It is two numbers: rMax,dMax.');
    return { rMax, dMax };
  },
  prior: (text: string) => {
    const pairs = text.split(',').map((pair) => pair.split(':'));
    if (pairs.some(({ length }) => length !== 2)) throw new InvalidArgumentError('It is mean:std for each feature.');
    return { mean: pairs.map(([mean]) => numberOf(mean)), std: pairs.map(([, std]) => numberOf(std)) };
  },
  range: (text: string) => {
    const ranges = text.split(',').map((one) => one.split('='));
    if (ranges.length === 1 && ranges[0].length === 1) return boundsOf(text);
    if (ranges.some(({ length }) => length !== 2)) {
      throw new InvalidArgumentError('It is min..max, or name=min..max for each feature that has bounds.');
    }
    return Object.fromEntries(ranges.map(([name, bounds]) => [name.trim(), boundsOf(bounds)]));
  },
};

/** `0..100`, `0..` and `..100` as bounds, null where there is none. */
function boundsOf(text: string): [number | null, number | null] {
  const [min, max, ...more] = text.split('..').map((bound) => (bound.trim() === '' ? null : numberOf(bound)));
  if (max === undefined || more.length > 0) throw new InvalidArgumentError('It is min..max, min.. or ..max.');
  return [min, max];
}

function timeOrNumber(text: string): string | number {
  return isNumber(text) ? Number(text) : text;
}

function methodOf(text: string): Method {
  if ((METHOD_NAMES as string[]).includes(text)) return text as Method;
  throw new InvalidArgumentError(`There are ${METHOD_NAMES.join(', ')}.`);
}
