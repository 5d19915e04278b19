import type { RowBlock } from './row-block.ts';

/** What all formats are asked to read. */
export interface ReadOptions {
  /** Names of the features; found out from the first row when absent. */
  readonly features?: readonly string[] | undefined;
  /** Column or field whose values tell streams apart. */
  readonly key?: string | undefined;
  /** Column or field with the time of a row; else it is when the row arrived. */
  readonly time?: string | undefined;
  /** Column or field with the weight of a row; else all weigh 1. */
  readonly sampleWeight?: string | undefined;
}

/**
 * Reads rows of one format out of bytes. `from` and `to` are offsets into `bytes`; `last` says that nothing follows.
 * What is returned is the first byte that was not read: the rest comes again, with more behind it.
 */
export interface RowReader {
  /** How a missing value is written. */
  readonly missing: string;
  /** Known once `readHead` has seen a row. */
  readonly features: readonly string[] | undefined;
  /** What to write before the first row, once. */
  takeHead(): Buffer | undefined;
  /** Reads what comes before the rows and looks at the first row for the features, without reading it. */
  readHead(bytes: Buffer, from: number, to: number, last: boolean): number;
  /** Reads rows into the block, whose bytes they lie in. */
  read(block: RowBlock, from: number, to: number, last: boolean, arrivedMs: number): number;
}

/** The key of a row by its bytes, one a character; undefined when there are no statistics for it. */
export type KeyOf = (bytes: string) => string | undefined;

/** No line may be longer, in bytes: what does not end must not fill the memory. */
export const MAX_LINE_BYTES = 1024 * 1024;

export const LINE_TOO_LONG = 'the line is longer than 1 MiB';
