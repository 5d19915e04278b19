import { requireKnown } from '../core/parameter.ts';
import { type AnyState, requireFeatures, requireState, requireWidth, withNames } from './any-state.ts';
import { type JsonObject, readJsonObject, requireObject } from './read-json.ts';
import { quoted, quotedList, refuse } from './refuse.ts';
import { writeJson } from './write-json.ts';

export interface FromJsonOptions {
  /** Names of the features, or their number as a check; those of the state. */
  features?: number | readonly string[];
  /** Which of the states that `streamnorm pipe --key` wrote. */
  key?: string;
}

export const FROM_JSON_OPTIONS = ['features', 'key'] as const;

/**
 * Reads a state in streamnorm's own JSON: what `state()` of a statistic returned, what `streamnorm pipe --state` wrote,
 * or a channel's checkpoint of `streamnorm serve` (without its open window).
 *
 * @throws StreamnormError STATE for anything that `state()` cannot have written; TypeError for wrong options
 * @example fromJson(JSON.stringify(new Cumulative({ features: 2 }).state())).features // 2
 */
export function fromJson(text: string, options: FromJsonOptions = {}): AnyState {
  const where = 'fromJson';
  requireKnown(where, options, FROM_JSON_OPTIONS);
  const { features, key } = options;
  requireFeatures(where, features);
  const fields = readJsonObject(text, 'the state');
  if (key !== undefined && fields.format !== 'streamnorm.keyed/1') refuse('the file has one state, and none by key');
  const state = requireState(withinFile(fields, key));
  const width = typeof state.features === 'number' ? state.features : state.features.length;
  requireWidth('the state', width, features);
  return withNames(state, typeof features === 'object' ? features : undefined);
}

/**
 * Writes a state in streamnorm's own JSON, every float64 bit for bit.
 *
 * @throws StreamnormError STATE for anything that `state()` cannot have written
 * @example toJson(new Cumulative({ features: 1 }).state()) // '{"format":"streamnorm.cumulative/1","features":1,…}\n'
 */
export function toJson(state: unknown): string {
  return `${writeJson(requireState(state))}\n`;
}

/** The state inside of what `pipe` and `serve` write around it. */
function withinFile(fields: JsonObject, key: string | undefined): unknown {
  if (fields.format === 'streamnorm.checkpoint/1') {
    const state = requireObject(fields.state, 'the state of the checkpoint');
    return Array.isArray(state.features) ? state : { names: fields.features, ...state };
  }
  if (fields.format !== 'streamnorm.keyed/1') return fields;
  const { keys } = fields;
  if (!Array.isArray(keys) || !keys.every(isEntry)) refuse('"keys" must be a list of [key, state]');
  const found = keys.find(([name]) => name === key);
  if (found !== undefined) return found[1];
  const there = `the file has states for the keys ${quotedList(keys.map(([name]) => name))}`;
  refuse(key === undefined ? `${there}: key must say which` : `${there}, and none for ${quoted(key)}`);
}

function isEntry(value: unknown): value is [string, unknown] {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string';
}
