import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/config/limits.ts';
import { configSchema, parseConfig } from '../../src/server/config.ts';
import { configJsonSchema } from '../../src/server/config-json-schema.ts';

const schema = configJsonSchema();
const validate = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);

const taken = (config: unknown): boolean => {
  try {
    parseConfig(config);
    return true;
  } catch {
    return false;
  }
};

/** A fault of one place alone: not what a refinement says, which a JSON Schema has no words for. */
const structural = (config: unknown): boolean =>
  (configSchema.safeParse(config).error?.issues ?? []).some(({ code }) => code !== 'custom');

/** What is right, in every section. */
const RIGHT = {
  $schema: 'https://example.com/config.schema.json',
  listen: { host: '127.0.0.1', port: 8080, insecure: false, origins: ['https://example.com'] },
  state: { dir: 'state', every: '5s' },
  limits: { ...DEFAULT_LIMITS },
  log: { level: 'info', pretty: true },
  channels: {
    batches: { features: ['x', 'y'], size: 16, within: 250, retain: 0.99, time: 'at', history: 5, weight: [1, 2] },
    'at-once': { features: ['x'], method: 'ewma', halfLife: '5m', clip: 8, order: 'learn-then-score' },
    renorm: { features: ['x'], renorm: { rMax: 2 }, debias: true },
  },
};

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Every place in a document, as the keys that lead there. */
function placesOf(document: Json, at: string[] = []): string[][] {
  if (typeof document !== 'object' || document === null) return [at];
  return [at, ...Object.entries(document).flatMap(([key, value]) => placesOf(value, [...at, key]))];
}

const FIELD = { writable: true, enumerable: true, configurable: true };

/** The document with another value in a place; undefined takes it away. */
function replaced(document: Json, [key, ...rest]: string[], value: Json | undefined): Json | undefined {
  if (key === undefined) return value;
  const copy = structuredClone(document) as { [name: string]: Json };
  const inner = replaced(Object.hasOwn(copy, key) ? copy[key]! : null, rest, value);
  // a plain assignment to `__proto__` would be no field, but another prototype
  if (inner !== undefined && key === '__proto__') Object.defineProperty(copy, key, { ...FIELD, value: inner });
  else if (inner !== undefined) copy[key] = inner;
  else if (Array.isArray(copy)) copy.splice(Number(key), 1);
  else delete copy[key];
  return copy;
}

const PLACES = placesOf(RIGHT);
const value: fc.Arbitrary<Json | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constantFrom<Json[]>(0, 1, 5, 0.5, -1, 1e9, true, 'x', '', '5s', 'ewma', [], [1], ['x'], ['x', 'x'], {}, { a: 1 }),
  fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json>,
);
/** The right document with other values in one or two places, or a key that does not belong there. */
const config = fc
  .array(fc.tuple(fc.constantFrom(...PLACES), fc.constantFrom('', 'size', 'port', 'other', '__proto__'), value), {
    minLength: 1,
    maxLength: 2,
  })
  .map((changes) => {
    let document: Json | undefined = RIGHT;
    for (const [place, extra, to] of changes) {
      const path = extra !== '' && to !== undefined ? [...place, extra] : place;
      // the change before may have taken the place away
      const parent = path.slice(0, -1).reduce<Json | undefined>((node, key) => (node as never)?.[key], document);
      if (path.length === 0 || (typeof parent === 'object' && parent !== null)) {
        document = replaced(document!, path, to);
      }
      if (document === undefined) return undefined;
    }
    return document;
  });

describe('the JSON Schema of the config', () => {
  test('takes whatever the server takes, and refuses what is wrong in one place', () => {
    const seen = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(config, (document) => {
        const fits = validate(document);
        if (taken(document)) {
          seen.taken++;
          expect(fits, JSON.stringify(validate.errors)).toBe(true);
        } else if (structural(document)) {
          seen.refused++;
          expect(fits).toBe(false);
        }
        // what it refuses, the server refuses
        if (!fits) expect(taken(document)).toBe(false);
      }),
      { numRuns: 300 },
    );
    expect(seen.taken).toBeGreaterThan(15);
    expect(seen.refused).toBeGreaterThan(50);
  });

  test.each<[string, unknown, boolean]>([
    ['the least there can be', { channels: { c: { features: ['x'] } } }, true],
    ['a link to itself', { $schema: 'config.schema.json', channels: { c: { features: ['x'] } } }, true],
    ['no channel', { channels: {} }, false],
    ['a name that leads out of the state directory', { channels: { '../x': { features: ['x'] } } }, false],
    ['the same feature twice', { channels: { c: { features: ['x', 'x'] } } }, false],
    ['momentum', { channels: { c: { features: ['x'], momentum: 0.1 } } }, false],
    ['an unknown key', { channel: {}, channels: { c: { features: ['x'] } } }, false],
    ['no object', [], false],
  ])('%s', (_, document, right) => {
    expect([validate(document), taken(document)]).toEqual([right, right]);
  });

  test('tells every default', () => {
    const { limits } = (schema as { properties: Record<string, { properties: Record<string, { default: number }> }> })
      .properties;
    const defaults = Object.entries(limits!.properties).map(([name, limit]) => [name, limit.default]);
    expect(Object.fromEntries(defaults)).toEqual(DEFAULT_LIMITS);
  });
});
