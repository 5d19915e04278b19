import type { Limits } from './config/limits.ts';
import type { ServerConfig } from './config.ts';

/** What differs between two configurations. Paths are as in the file. */
export interface ConfigChanges {
  /** Can be applied while the server runs. */
  readonly live: readonly string[];
  /** Cannot. */
  readonly restart: readonly string[];
  /** Names of channels. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Limits that size what is made once: timers, tables and the HTTP server. All others are read when they are needed. */
const FIXED_LIMITS = new Set<string>([
  'headersMs',
  'heartbeatMs',
  'maxBytesPerSecond',
  'maxConnectsPerSecondPerAddress',
  'maxConnectsPerSecondPerToken',
  'maxDrifts',
  'maxHeaderBytes',
  'maxHeaders',
  'maxHistoryBytes',
  'maxKeys',
  'maxProducers',
  'maxRememberedAddresses',
  'maxRowsPerSecond',
  'pingMs',
  'pongMs',
] satisfies (keyof Limits)[]);

/** Compares two configurations, as read: a default that is written out is no change. */
export function configChanges(from: ServerConfig, to: ServerConfig): ConfigChanges {
  const { channels: fromChannels, ...fromRest } = from;
  const { channels: toChannels, ...toRest } = to;
  const paths = differences(fromRest, toRest, []);
  for (const [name, channel] of fromChannels) {
    const other = toChannels.get(name);
    if (other !== undefined) paths.push(...differences(channel, other, ['channels', name]));
  }
  const added = Array.from(toChannels.keys()).filter((name) => !fromChannels.has(name));
  const removed = Array.from(fromChannels.keys()).filter((name) => !toChannels.has(name));
  return {
    live: [...new Set(paths.filter(isLive).map(shown))],
    restart: [...new Set(paths.filter((path) => !isLive(path)).map(shown))],
    added,
    removed,
  };
}

function isLive([section, name, option]: readonly string[]): boolean {
  if (section === 'channels') return option === 'source';
  if (section === 'auth') return true;
  if (section === 'limits') return !FIXED_LIMITS.has(name);
  return (section === 'listen' && name === 'origins') || (section === 'log' && name === 'level');
}

/** Nothing of a token is shown, not even that it is one of three. */
function shown(path: readonly string[]): string {
  if (path[0] === 'channels' && path[2] === 'source') return path.slice(0, 3).join('.');
  return path[0] === 'auth' ? 'auth' : path.join('.');
}

/** Paths to the values that differ; lists differ as a whole. */
function differences(from: unknown, to: unknown, path: string[]): string[][] {
  if (isRecord(from) && isRecord(to)) {
    const names = new Set([...Object.keys(from), ...Object.keys(to)]);
    return Array.from(names).flatMap((name) => differences(from[name], to[name], [...path, name]));
  }
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [path];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
