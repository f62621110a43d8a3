import type { Device, DeviceBuffer } from '../device/device.ts';
import { checkObject, invalidArgument, shown, ZerothError } from '../errors.ts';
import { f32Vector, type NumberArray } from '../graph/host-array.ts';
import type { Layout, TensorSlot } from './layout.ts';
import { openSafetensors, type SafetensorsReader } from './safetensors/read.ts';
import type { SafeTensor, TensorSource, TransferOptions } from './safetensors/tensor.ts';

/** Numbers for a tensor, in row-major order: typed arrays, and plain numbers, flat or nested. All become f32. */
export type TensorValues = Float32Array | Float64Array | Int32Array | NumberArray;

/** A device vector, or a part of it, as a tensor that is read while it is written to a file. */
export const vectorSource = (buffer: DeviceBuffer, shape: readonly number[], first = 0): TensorSource => ({
  dtype: 'F32',
  shape,
  read: (offset, count) => buffer.readF32(first + offset, count),
});

/** The tensors of a layout in a vector, by name. */
export const namedTensors = (layout: Layout, vector: DeviceBuffer): ReadonlyMap<string, TensorSource> =>
  new Map(layout.tensors.map(({ name, shape, offset }) => [name, vectorSource(vector, shape, offset)]));

/** What is to be written where in the flat vector. */
export interface Weights {
  readonly offset: number;
  readonly values: Float32Array;
}

/** All numbers of a layout, or of one of its tensors. @throws ERR_ZEROTH_ARGUMENT for another count, or what f32 does not hold. */
export function checkedValues(layout: Layout, name: string | undefined, values: TensorValues): Weights {
  const { offset, size } = name === undefined ? { offset: 0, size: layout.length } : layout.tensor(name);
  const called = name ?? 'values';
  const wide = values instanceof Float64Array || values instanceof Int32Array;
  const vector = f32Vector(called, wide ? Float32Array.from(values) : values, {
    length: size,
    expected: `${size} numbers`,
  });
  const bad = vector.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) invalidArgument(`${called}[${bad}]`, 'a finite number in f32', wide ? values[bad] : vector[bad]);
  return { offset, values: vector };
}

/** Some tensors of a layout, in the form in which files of them are read. @throws ERR_ZEROTH_ARGUMENT for an unknown name or another shape, and as above. */
export function checkedTensors(layout: Layout, tensors: ReadonlyMap<string, SafeTensor>): Weights[] {
  return [...tensors].map(([name, tensor]) => {
    const slot = layout.tensor(name);
    checkObject(name, tensor, '{ dtype, shape, data }');
    if (!hasShape(slot, tensor.shape))
      invalidArgument(`shape of '${name}'`, `[${slot.shape.join(', ')}]`, tensor.shape);
    return checkedValues(layout, name, tensor.data);
  });
}

/**
 * The tensors of a file as a vector of its own, which whoever takes it frees; read piece by piece.
 * @throws ERR_ZEROTH_SAFETENSORS for a file of other tensors, shapes or dtypes, or with a number that is not finite; else as `openSafetensors`.
 */
export async function loadWeights(
  path: string,
  layout: Layout,
  device: Device,
  options: TransferOptions,
): Promise<DeviceBuffer> {
  await using file = await openSafetensors(path);
  checkFile(file, layout);
  const vector = device.allocate(layout.length * 4);
  try {
    const total = layout.tensors.reduce((sum, { name }) => sum + bytesOf(file, name), 0);
    let before = 0;
    for (const { name, offset } of layout.tensors) {
      const onProgress = (done: number) => options.onProgress?.(before + done, total);
      for await (const piece of file.pieces(name, { ...options, onProgress })) {
        const data = piece.data as Float32Array;
        const bad = data.findIndex((value) => !Number.isFinite(value));
        if (bad >= 0)
          refuse(
            file,
            `tensor ${shown(name)}, element ${piece.offset + bad}: expected a finite number, received ${data[bad]}`,
          );
        await vector.write(data, (offset + piece.offset) * 4);
      }
      before += bytesOf(file, name);
    }
    return vector;
  } catch (error) {
    vector.dispose();
    throw error;
  }
}

/** What becomes F32 exactly. */
const READ_AS_F32 = ['F32', 'BF16', 'F16'];

function checkFile(file: SafetensorsReader, layout: Layout): void {
  const names = layout.tensors.map(({ name }) => name);
  const missing = names.filter((name) => !file.tensors.has(name));
  const strange = [...file.tensors.keys()].filter((name) => !names.includes(name));
  if (missing.length + strange.length > 0) {
    const some = (list: readonly string[]) =>
      `${list
        .slice(0, 10)
        .map((name) => shown(name))
        .join(', ')}${list.length > 10 ? `, … (${list.length} in all)` : ''}`;
    const faults = [
      ...(missing.length > 0 ? [`one without ${some(missing)}`] : []),
      ...(strange.length > 0 ? [`one with ${some(strange)}`] : []),
    ];
    refuse(file, `expected the tensors ${some(names)} of these parameters, received ${faults.join(', and ')}`);
  }
  for (const slot of layout.tensors) {
    const { dtype, shape } = file.info(slot.name);
    if (READ_AS_F32.includes(dtype) && hasShape(slot, shape)) continue;
    const expected = `${READ_AS_F32.join(' or ')} of shape [${slot.shape.join(', ')}]`;
    refuse(file, `tensor ${shown(slot.name)}: expected ${expected}, received ${dtype} of shape [${shape.join(', ')}]`);
  }
}

function refuse(file: SafetensorsReader, what: string): never {
  throw new ZerothError(
    'ERR_ZEROTH_SAFETENSORS',
    `${file.path}: ${what}. Load single tensors by loadSafetensors, and put them where they belong by params.write.`,
  );
}

const hasShape = (slot: TensorSlot, shape: readonly number[]): boolean =>
  Array.isArray(shape) && shape.length === slot.shape.length && shape.every((n, axis) => n === slot.shape[axis]);

function bytesOf(file: SafetensorsReader, name: string): number {
  const { begin, end } = file.info(name);
  return end - begin;
}
