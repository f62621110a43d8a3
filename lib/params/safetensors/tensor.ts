import { checkInteger, ZerothError } from '../../errors.ts';
import type { WrittenDType } from './dtype.ts';

/** A named tensor's contents. The array's kind must be the dtype's: F32 Float32Array, F64 Float64Array, I32 Int32Array. */
export type SafeTensor =
  | { readonly dtype: 'F32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: 'F64'; readonly shape: readonly number[]; readonly data: Float64Array }
  | { readonly dtype: 'I32'; readonly shape: readonly number[]; readonly data: Int32Array };

export type TensorArray = SafeTensor['data'];

/** A tensor that is asked for piece by piece while it is written: a device's, say, of which there is never a whole copy. */
export interface TensorSource {
  readonly dtype: WrittenDType;
  readonly shape: readonly number[];
  /** Elements [offset, offset + count), in an array of the dtype's kind. */
  read(offset: number, count: number): Promise<TensorArray>;
}

/** How work on a file is watched, and stopped. */
export interface TransferOptions {
  /** Called after each piece with the bytes done so far, and those that there are to do. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends it with ERR_ZEROTH_ABORTED; what was being written leaves nothing behind. */
  readonly signal?: AbortSignal;
  /** What is read or written at once. Default 8 MiB. */
  readonly pieceBytes?: number;
}

/** Bytes of header length at the start of a file. */
export const PREFIX = 8;
/** The limit of the reference implementation. */
export const MAX_HEADER = 100_000_000;

/** @throws ERR_ZEROTH_ARGUMENT unless a piece holds at least one element of every dtype, whole. */
export function checkPiece({ pieceBytes = 8 * 2 ** 20 }: TransferOptions): number {
  return checkInteger('pieceBytes', pieceBytes, 8, 2 ** 30);
}

export function elements(shape: readonly number[]): number {
  let product = 1;
  for (const n of shape) product *= n;
  return product;
}

export function refuseAborted(path: string, signal?: AbortSignal): void {
  if (signal?.aborted)
    throw new ZerothError('ERR_ZEROTH_ABORTED', `${path}: the transfer was aborted.`, { cause: signal.reason });
}
