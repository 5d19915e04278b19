const [QUOTE, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_RECORD, CLOSE_RECORD] = Buffer.from('"\\[]{}');

/**
 * True when arrays and records of a JSON text nest deeper than `most`: found without building any of them. The parser
 * takes 50 ms for 200,000 arrays in each other, four times what an honest message of that size takes, and all wait for it.
 *
 * Cost: 2 ns a byte where the text is honest, a fifth of what parsing takes.
 */
export function nestsDeeperThan(most: number, bytes: Uint8Array): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === OPEN_ARRAY || byte === OPEN_RECORD) {
      if (++depth > most) return true;
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_RECORD) {
      depth--;
    } else if (byte === QUOTE) {
      // brackets in a text nest nothing
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) {
        if (bytes[at] === BACKSLASH) at++;
      }
    }
  }
  return false;
}
