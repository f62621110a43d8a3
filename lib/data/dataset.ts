/** Labelled examples; axis 0 of both arrays counts them. */
export interface Dataset {
  readonly examples: number;
  /** Inputs, f32. */
  readonly x: Float32Array;
  readonly xShape: readonly number[];
  /** Class labels, one an example or one a position. */
  readonly y: Int32Array;
  readonly yShape: readonly number[];
}
