import type { HostArray, TypedArray } from '../graph/host-array.ts';

/** Labelled examples; axis 0 of both arrays counts them. */
export interface LabelledData {
  /** Inputs. */
  readonly x: HostArray;
  /** Class labels, integers, one an example or one a position; or real targets, as many as a model has outputs. */
  readonly y: HostArray;
}

/** Labelled examples as the loaders return them: x f32, y i32. */
export interface Dataset extends LabelledData {
  readonly x: TypedArray & { readonly data: Float32Array };
  readonly y: TypedArray & { readonly data: Int32Array };
}
