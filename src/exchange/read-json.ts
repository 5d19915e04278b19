import { quoted, refuse } from './refuse.ts';

/** Deeper than any state, and shallow enough for every parser. */
const MAX_DEPTH = 32;

const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY, COMMA, QUOTE, BACKSLASH] = [...'{}[],"\\'].map((c) =>
  c.charCodeAt(0),
);

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads JSON that others may have made. `JSON.parse` keeps the last of two fields of one name without a word, so the
 * text is looked through for such names first, and for brackets without end, which cost a parser more memory than text.
 *
 * @param what names the text in messages
 * @throws StreamnormError STATE unless it is one JSON object without duplicate names
 */
export function readJsonObject(text: string, what: string): JsonObject {
  let value: unknown;
  try {
    const twice = duplicateName(text, what);
    value = JSON.parse(text);
    if (twice !== undefined) refuse(`${what} has the field ${quoted(twice)} twice`);
  } catch (error) {
    if (error instanceof SyntaxError) refuse(`${what} is not JSON: ${oneLine(error.message)}`, error);
    throw error;
  }
  return requireObject(value, what);
}

export function requireObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(`${what} must be a JSON object`);
  return value as JsonObject;
}

/** The first name that an object of `text` holds twice. Text that is no JSON may give anything. */
function duplicateName(text: string, what: string): string | undefined {
  // by depth: what is open, and the names of the object there; the sets are used again
  const isObject: boolean[] = [];
  const names: Set<string>[] = [];
  let depth = -1;
  let nameNext = false;
  let twice: string | undefined;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        if (++depth === MAX_DEPTH) refuse(`${what} is nested more than ${MAX_DEPTH} levels deep`);
        nameNext = text.charCodeAt(i) === OPEN_OBJECT;
        isObject[depth] = nameNext;
        if (names[depth] === undefined) names[depth] = new Set();
        else if (nameNext) names[depth].clear();
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        if (depth >= 0) depth--;
        nameNext = false;
        break;
      case COMMA:
        nameNext = depth >= 0 && isObject[depth];
        break;
      case QUOTE: {
        const end = endOfString(text, i);
        if (nameNext) {
          const name = nameOf(text.slice(i + 1, end));
          if (names[depth].has(name)) twice ??= name;
          names[depth].add(name);
        }
        nameNext = false;
        i = end;
      }
    }
  }
  return twice;
}

/** Where the quotation mark is that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = start; ; ) {
    end = text.indexOf('"', end + 1);
    if (end < 0) return text.length;
    let before = end;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    // each pair of backslashes is one that does not escape
    if ((end - before) % 2 === 0) return end;
  }
}

/** Two spellings of one name are one name. */
function nameOf(spelled: string): string {
  return spelled.includes('\\') ? JSON.parse(`"${spelled}"`) : spelled;
}

/** The parser quotes the text. */
function oneLine(message: string): string {
  return quoted(message).slice(1, -1).replaceAll('\\"', "'");
}
