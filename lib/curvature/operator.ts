/** A symmetric linear operator, seen only through products with batches of vectors. Everything in this folder works on this. */
export interface LinearOperator {
  /** Length of a vector. */
  readonly dimension: number;
  /**
   * Applies the operator to `count` vectors at once.
   * @param vectors `count × dimension`, row-major, f32.
   * @returns the products in the same layout, a fresh array.
   */
  apply(vectors: Float32Array, count: number, signal?: AbortSignal): Promise<Float32Array>;
}
