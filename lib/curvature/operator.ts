/**
 * A symmetric linear operator, seen only through products with batches of vectors. Everything in this folder works on this: on operators of
 * one's own, which are functions of arrays, and on Hessians, whose vectors stay on their device.
 */
export interface LinearOperator {
  /** Length of a vector. */
  readonly dimension: number;
  /**
   * Applies the operator to `count` vectors at once.
   * @param vectors `count × dimension`, row-major, f32; to be read only.
   * @returns the products in the same layout.
   */
  apply(vectors: Float32Array, count: number, signal?: AbortSignal): Promise<Float32Array>;
}
