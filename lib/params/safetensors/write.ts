import { checkObject, invalidArgument } from '../../errors.ts';
import { ARRAYS, isWrittenDType } from './dtype.ts';
import { METADATA } from './header.ts';
import { replaceFile } from './replace-file.ts';
import {
  checkPiece,
  elements,
  MAX_HEADER,
  PREFIX,
  refuseAborted,
  type SafeTensor,
  type TensorSource,
  type TransferOptions,
} from './tensor.ts';

/**
 * Writes a file so that whoever opens `path` at any moment, even after a crash, sees the old contents or the new ones, whole. It is written in
 * pieces, whatever its size.
 *
 * @param tensors in the order in which they are to lie in the file. Shapes are non-negative integers; their product is the data's length.
 * @param metadata free text.
 * @throws ERR_ZEROTH_ARGUMENT for a tensor or metadata that the format cannot hold; ERR_ZEROTH_FILE when it cannot be written, and
 *   ERR_ZEROTH_ABORTED (the old file then stays).
 */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor | TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
  options: TransferOptions = {},
): Promise<void> {
  if (typeof path !== 'string' || path === '') invalidArgument('path', 'the path of a file', path);
  const pieceBytes = checkPiece(options);
  const { header, total } = encodeHeader(tensors, metadata);
  const { onProgress, signal } = options;
  await replaceFile(path, async (file) => {
    // Small tensors wait here until there is a piece of them.
    const waiting = new Uint8Array(Math.min(pieceBytes, total));
    let filled = 0;
    let at = 0;
    const write = async (bytes: Uint8Array) => {
      refuseAborted(path, signal);
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
        done += bytesWritten;
      }
      at += bytes.length;
      onProgress?.(at, total);
    };
    const flush = async () => {
      if (filled > 0) await write(waiting.subarray(0, filled));
      filled = 0;
    };
    const put = async (bytes: Uint8Array) => {
      if (filled + bytes.length > waiting.length) await flush();
      if (bytes.length > waiting.length) return write(bytes);
      waiting.set(bytes, filled);
      filled += bytes.length;
    };
    await put(header);
    for (const [name, tensor] of tensors) {
      const count = elements(tensor.shape);
      const most = Math.floor(pieceBytes / ARRAYS[tensor.dtype].BYTES_PER_ELEMENT);
      for (let offset = 0; offset < count; offset += most) {
        const size = Math.min(most, count - offset);
        const piece = 'data' in tensor ? tensor.data.subarray(offset, offset + size) : await tensor.read(offset, size);
        if (!(piece instanceof ARRAYS[tensor.dtype]) || piece.length !== size)
          invalidArgument(`tensor ${JSON.stringify(name)}: read`, `a ${ARRAYS[tensor.dtype].name} of ${size}`, piece);
        const bytes = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
        // A tensor that fits waits without a turn of the event loop: there may be a million of them.
        if (filled + bytes.length <= waiting.length) {
          waiting.set(bytes, filled);
          filled += bytes.length;
        } else await put(bytes);
      }
    }
    await flush();
  });
}

function encodeHeader(
  tensors: ReadonlyMap<string, SafeTensor | TensorSource>,
  metadata: Readonly<Record<string, string>>,
): { header: Uint8Array; total: number } {
  if (!(tensors instanceof Map)) invalidArgument('tensors', 'a Map of names to { dtype, shape, data }', tensors);
  checkObject('metadata', metadata, 'an object of strings');
  const strings = Object.entries(metadata);
  const notText = strings.find(([, value]) => typeof value !== 'string');
  if (notText) invalidArgument(`metadata.${notText[0]}`, 'a string', notText[1]);
  // An array of entries, not an object: a tensor may be named __proto__ or 7, and the order is the caller's.
  const entries = strings.length > 0 ? [`"${METADATA}":{${strings.map(([k, v]) => pair(k, v)).join(',')}}`] : [];
  let size = 0;
  for (const [name, tensor] of tensors) {
    const bytes = checkTensor(name, tensor);
    entries.push(pair(name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [size, size + bytes] }));
    size += bytes;
  }
  const json = Buffer.from(`{${entries.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER) invalidArgument('tensors', `a header of at most ${MAX_HEADER} bytes`, length);
  const header = Buffer.alloc(PREFIX + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  json.copy(header, PREFIX);
  return { header, total: header.length + size };
}

/** @returns its bytes. */
function checkTensor(name: string, tensor: SafeTensor | TensorSource): number {
  const where = `tensor ${JSON.stringify(name)}`;
  if (name === METADATA)
    invalidArgument('tensor name', `anything but ${METADATA}, which the format keeps for itself`, name);
  checkObject(where, tensor, '{ dtype, shape, data }');
  const { dtype, shape } = tensor;
  if (!isWrittenDType(dtype)) invalidArgument(`${where}: dtype`, `one of ${Object.keys(ARRAYS).join(', ')}`, dtype);
  if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
    invalidArgument(`${where}: shape`, 'non-negative integers', shape);
  const bytes = elements(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(bytes)) invalidArgument(`${where}: shape`, 'a size that can be counted', shape);
  if ('data' in tensor) {
    if (!(tensor.data instanceof ARRAYS[dtype]))
      invalidArgument(`${where}: data`, `a ${ARRAYS[dtype].name}`, tensor.data);
    if (bytes !== tensor.data.byteLength)
      invalidArgument(`${where}: shape`, `a product of ${tensor.data.length}, the length of its data`, shape);
  } else if (typeof tensor.read !== 'function') {
    invalidArgument(`${where}: data`, `a ${ARRAYS[dtype].name}, or a function read(offset, count)`, undefined);
  }
  return bytes;
}

const pair = (key: string, value: unknown): string => `${JSON.stringify(key)}:${JSON.stringify(value)}`;
