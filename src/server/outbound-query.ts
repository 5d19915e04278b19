import { StreamnormError } from '../errors.ts';
import type { Included, View } from './block.ts';

/** What happens to a subscriber that reads too slowly. */
export type OnSlow = 'conflate' | 'drop' | 'close';

/** What the URL of a subscriber asks for. */
export interface OutboundQuery {
  readonly view: View;
  /** The last row it has, and the epoch it has it from. */
  readonly since: { epoch: string; seq: number } | undefined;
  readonly onSlow: OnSlow;
  /** Messages per second at most; undefined: as they come. */
  readonly maxRate: number | undefined;
  /** Whose rows it gets; undefined: those of all keys. */
  readonly key: string | undefined;
}

export const FORMATS = ['json', 'f32', 'f64'] as const;
export const INCLUDED = ['z', 'raw', 'stats', 'flags'] as const;
export const ON_SLOW = ['conflate', 'drop', 'close'] as const;
const PARAMETERS = ['format', 'include', 'since', 'maxRate', 'onSlow', 'digits', 'key'];

/**
 * Reads `?format=&include=&since=&maxRate=&onSlow=&digits=&key=`.
 *
 * @param keyed whether rows have keys
 * @throws StreamnormError BAD_QUERY naming the parameter, the rule and the value
 */
export function readOutboundQuery(parameters: URLSearchParams, keyed = false): OutboundQuery {
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) throw bad(`there is no parameter '${name}', only ${PARAMETERS.join(', ')}`);
  }
  const format = oneOf('format', parameters.get('format') ?? 'json', FORMATS);
  const include = new Set<Included>();
  for (const word of (parameters.get('include') ?? 'z').split(',')) include.add(oneOf('include', word, INCLUDED));
  if (format !== 'json' && !(include.size === 1 && (include.has('z') || include.has('raw')))) {
    throw bad(`format ${format} holds either z or raw, not ${[...include].join(',')}`);
  }
  const key = parameters.get('key') ?? undefined;
  if (key !== undefined && !keyed) throw bad('this channel has no keys: leave key out');
  if (keyed && include.has('stats')) {
    throw bad('the rows of a message have statistics of many keys: ask /channels/<channel>?key= for those of one');
  }
  if (keyed && key === undefined && format !== 'json') {
    throw bad(`format ${format} has no place for the keys of its rows: take json, or the rows of one with key=`);
  }
  const digits = oneOf('digits', parameters.get('digits') ?? '7', ['7', '17']) === '7' ? 7 : 17;
  return {
    view: {
      format,
      include,
      digits,
      key: `${format} ${INCLUDED.filter((word) => include.has(word)).join()} ${format === 'json' ? digits : ''}`,
    },
    since: readSince(parameters.get('since')),
    onSlow: oneOf('onSlow', parameters.get('onSlow') ?? 'conflate', ON_SLOW),
    maxRate: readRate(parameters.get('maxRate')),
    key,
  };
}

function readSince(text: string | null): OutboundQuery['since'] {
  if (text === null) return undefined;
  const [, epoch, seq] = /^([A-Za-z0-9]{1,32})\.(\d{1,16})$/.exec(text) ?? [];
  if (epoch === undefined || !Number.isSafeInteger(Number(seq)))
    throw bad(`since is <epoch>.<seq>, got '${text.slice(0, 40)}'`);
  return { epoch, seq: Number(seq) };
}

function readRate(text: string | null): number | undefined {
  if (text === null) return undefined;
  const rate = Number(text);
  if (!(rate > 0 && rate <= 1_000))
    throw bad(`maxRate is a number of messages per second in (0, 1000], got '${text.slice(0, 40)}'`);
  return rate;
}

function oneOf<T extends string>(name: string, value: string, words: readonly T[]): T {
  if (!words.includes(value as T)) throw bad(`${name} is one of ${words.join(', ')}, got '${value.slice(0, 40)}'`);
  return value as T;
}

function bad(message: string): StreamnormError {
  return new StreamnormError('BAD_QUERY', message);
}
