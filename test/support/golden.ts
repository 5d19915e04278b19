import { readFileSync } from 'node:fs';

/** A file of test/golden; its `null`s are NaN. */
export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8'), (key, value) =>
    value === null && !NULL_MEANS_NONE.has(key) ? Number.NaN : value,
  );
}

/** Fields in which `null` is the absence of a setting, not a missing number. */
const NULL_MEANS_NONE = new Set(['momentum', 'weight', 'bias', 'alpha', 'halfLifeMs', 'adjust', 'feature_names_in_']);
