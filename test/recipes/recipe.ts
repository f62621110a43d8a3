/** A file within the package, a text that stands there once, and what is written after it; a new file has no such text. */
export type Edit = readonly [file: string, after: string | null, written: string];

/** All that it takes to add a throw-away part of the house, as docs/architecture.md says in "How to add". */
export interface Recipe {
  /** The words that its paragraph there begins with. */
  readonly title: string;
  readonly edits: readonly Edit[];
}
