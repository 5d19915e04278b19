/** What a push must fit. */
export interface PushForm {
  readonly features: readonly string[];
  /** Field of a record with its time. */
  readonly time: string | undefined;
  readonly maxRows: number;
  /** Field of a record with its key; undefined: the channel has none. */
  readonly key?: string | undefined;
  /** Key of rows that bring none. */
  readonly connectionKey?: string | undefined;
}

/** What JSON.parse gives. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
