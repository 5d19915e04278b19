import { textOfBytes } from './bytes-text.ts';

/** Fewer are never worth to be forgotten. */
const LEAST = 1_024;

/**
 * The text of a key by its bytes: keys that differ in encoding only are one, and rows of one key share one text. It is
 * forgotten whole when it is full, which is cheaper than to know which key was unused for longest.
 */
export class KeyTexts {
  readonly #most: number;
  readonly #texts: Map<string, string>;

  constructor(maxKeys: number) {
    this.#most = Math.max(LEAST, maxKeys);
    this.#texts = new Map();
  }

  /** @param bytes characters that stand for one byte each */
  textOf(bytes: string): string {
    const known = this.#texts.get(bytes);
    if (known !== undefined) return known;
    const text = textOfBytes(bytes);
    if (this.#texts.size >= this.#most) this.#texts.clear();
    this.#texts.set(bytes, text);
    return text;
  }
}
