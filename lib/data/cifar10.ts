import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkInteger, checkOptions, invalidArgument, ZerothError } from '../errors.ts';
import { hostArray } from '../host-memory.ts';
import type { Dataset } from './dataset.ts';

const SIDE = 32;
const CHANNELS = 3;
const PLANE = SIDE * SIDE;
const RECORD = 1 + CHANNELS * PLANE;
const LABELS = 10;

/** Mean and standard deviation of the training set's channels (red, green, blue), on the 0–255 scale. */
const MEAN = [0.49139968, 0.48215827, 0.44653124].map((value) => 255 * value);
const STD = [0.24703233, 0.24348505, 0.26158768].map((value) => 255 * value);

const HINT =
  'Download the "binary version" of CIFAR-10 from https://www.cs.toronto.edu/~kriz/cifar.html and name the folder that it unpacks to.';

export interface Cifar10Options {
  /** Folder with any number of `data_batch_*.bin` files, and `test_batch.bin`, in the official binary format. */
  readonly folder: string;
  /** Which images: `train` (default) reads `data_batch_*.bin`, `test` reads `test_batch.bin`. Both are standardised by the training set. */
  readonly split?: 'train' | 'test';
  /** Examples: the first n / classes of each class, in file order. */
  readonly n: number;
  /** How many of the ten classes, from class 0 on. Default 4. */
  readonly classes?: number;
  /** Side of the images in pixels, a divisor of 32: smaller ones are averages over squares of pixels. Default 32. */
  readonly side?: number;
}

/**
 * Images of CIFAR-10 (Krizhevsky 2009), each channel standardised by the training set's mean and standard deviation.
 *
 * @returns x [n, side · side · 3], channels last; y [n], labels 0 … classes − 1; in the order of the files (data_batch_2 before data_batch_10).
 * @throws ERR_ZEROTH_ARGUMENT for bad options; ERR_ZEROTH_FILE for a folder or file that is missing; ERR_ZEROTH_DATA, naming file and byte, for one that
 *   is not in the format, and where the files, or a class in them, have too few images; ERR_ZEROTH_MEMORY.
 */
export function cifar10Data(options: Cifar10Options): Dataset {
  checkOptions('options', options, { folder: true, split: true, n: true, classes: true, side: true });
  const { folder, split = 'train', n, classes = 4, side = SIDE } = options;
  if (split !== 'train' && split !== 'test') invalidArgument('split', "'train' or 'test'", split);
  if (typeof folder !== 'string' || folder === '') invalidArgument('folder', 'the folder of data_batch_*.bin', folder);
  checkInteger('classes', classes, 1, LABELS);
  checkInteger('side', side, 1, SIDE);
  if (SIDE % side !== 0) invalidArgument('side', `a divisor of ${SIDE}`, side);
  checkInteger('n', n, 1);
  if (n % classes !== 0) invalidArgument('n', `a multiple of the ${classes} classes`, n);

  const perClass = n / classes;
  const features = side * side * CHANNELS;
  const files = batchFiles(folder, split);
  const sizes = files.map(sizeOfFile);
  const images = sizes.reduce((sum, size) => sum + Math.ceil(size / RECORD), 0);
  if (n > images) {
    for (const [i, size] of sizes.entries()) checkRecords(files[i], size);
    throw new ZerothError(
      'ERR_ZEROTH_DATA',
      `${folder}: expected ${n} images (n), received ${images} in ${files.length} file${files.length > 1 ? 's' : ''} ${FILES[split].shown}; use ${split === 'train' ? 'more files or ' : ''}a smaller n.`,
    );
  }
  const found = new Array<number>(classes).fill(0);
  const smaller = 'use a smaller n or side';
  const x = hostArray(Float32Array, n * features, `x of ${n} images with ${features} numbers each`, smaller);
  const y = hostArray(Int32Array, n, `y of ${n} images`, smaller);
  let examples = 0;
  for (const file of files) {
    if (examples === n) break;
    const bytes = readBatch(file);
    for (let at = 0; at < bytes.length; at += RECORD) {
      const label = bytes[at];
      if (label >= LABELS) {
        throw new ZerothError(
          'ERR_ZEROTH_DATA',
          `${file}: expected a label from 0 to ${LABELS - 1} at byte ${at}, received ${label}; this is not CIFAR-10's binary format, or the file is damaged. ${HINT}`,
        );
      }
      if (label >= classes || found[label] === perClass) continue;
      found[label] += 1;
      y[examples] = label;
      standardise(
        bytes.subarray(at + 1, at + RECORD),
        side,
        x.subarray(examples * features, (examples + 1) * features),
      );
      examples += 1;
    }
  }
  const short = found.findIndex((count) => count < perClass);
  if (short >= 0) {
    throw new ZerothError(
      'ERR_ZEROTH_DATA',
      `${folder}: expected ${perClass} images of class ${short} (n = ${n}, ${classes} classes), received ${found[short]}; use ${split === 'train' ? 'more data_batch_*.bin files or ' : ''}a smaller n.`,
    );
  }
  return { x: { shape: [n, features], data: x }, y: { shape: [n], data: y } };
}

const FILES = {
  train: { pattern: /^data_batch_.+\.bin$/, shown: 'data_batch_*.bin' },
  test: { pattern: /^test_batch\.bin$/, shown: 'test_batch.bin' },
};

function batchFiles(folder: string, split: keyof typeof FILES): string[] {
  const { pattern, shown } = FILES[split];
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (cause) {
    throw new ZerothError(
      'ERR_ZEROTH_FILE',
      `${folder}: expected a folder with ${shown}; ${(cause as Error).message}. ${HINT}`,
      { cause },
    );
  }
  const batches = names.filter((name) => pattern.test(name));
  if (batches.length === 0) {
    throw new ZerothError('ERR_ZEROTH_FILE', `${folder}: expected files named ${shown}, received none. ${HINT}`);
  }
  const byNumber = new Intl.Collator('en', { numeric: true });
  return batches.sort(byNumber.compare).map((name) => join(folder, name));
}

function sizeOfFile(file: string): number {
  try {
    return statSync(file).size;
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

const unreadable = (file: string, cause: unknown): ZerothError =>
  new ZerothError('ERR_ZEROTH_FILE', `${file}: could not be read: ${(cause as Error).message}.`, { cause });

function readBatch(file: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
  checkRecords(file, bytes.length);
  return bytes;
}

function checkRecords(file: string, size: number): void {
  const torn = size % RECORD;
  if (torn === 0 && size > 0) return;
  throw new ZerothError(
    'ERR_ZEROTH_DATA',
    `${file}: expected whole records of ${RECORD} bytes, received ${size} bytes: the last record, at byte ${size - torn}, has ${torn}. The file is truncated or not CIFAR-10's binary format. ${HINT}`,
  );
}

/** Channel-planar bytes → channels-last floats: averages over squares, then (value − mean) / std. */
function standardise(pixels: Uint8Array, side: number, into: Float32Array): void {
  const square = SIDE / side;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      for (let channel = 0; channel < CHANNELS; channel++) {
        let sum = 0;
        for (let dy = 0; dy < square; dy++) {
          const line = channel * PLANE + (row * square + dy) * SIDE + column * square;
          for (let dx = 0; dx < square; dx++) sum += pixels[line + dx];
        }
        into[(row * side + column) * CHANNELS + channel] = (sum / (square * square) - MEAN[channel]) / STD[channel];
      }
    }
  }
}
