import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cifar10Data } from '../../lib/data/cifar10.ts';

const RECORD = 3073;
const freshFolder = () => mkdtempSync(join(tmpdir(), 'zeroth-cifar10-'));

/** A record whose pixel (channel, row, column) is a known function of them and of `salt`. */
const pixel = (salt: number, channel: number, row: number, column: number) =>
  (salt * 31 + channel * 85 + row * 7 + column * 3) % 256;
function record(label: number, salt = 0): Buffer {
  const bytes = Buffer.alloc(RECORD, label);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < 1024; i++) bytes[1 + channel * 1024 + i] = pixel(salt, channel, i >> 5, i % 32);
  }
  return bytes;
}
const mean = [0.49139968, 0.48215827, 0.44653124];
const std = [0.24703233, 0.24348505, 0.26158768];

describe('cifar10Data', () => {
  it('takes the first images of each class in the order of the files, by number', () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'data_batch_10.bin'), Buffer.concat([record(0, 5), record(1, 6)]));
    writeFileSync(
      join(folder, 'data_batch_2.bin'),
      Buffer.concat([record(1, 1), record(9, 2), record(1, 3), record(1, 4)]),
    );
    writeFileSync(join(folder, 'test_batch.bin'), record(0, 9));
    writeFileSync(join(folder, 'readme.html'), 'not data');
    const data = cifar10Data({ folder, n: 2, classes: 2 });
    const [x, y] = [data.x.data, data.y.data];
    expect([data.x.shape, data.y.shape]).toEqual([[2, 3072], [2]]);
    expect([...y]).toEqual([1, 0]);
    for (const [i, salt] of [1, 5].entries()) {
      for (const [row, column, channel] of [
        [0, 0, 0],
        [3, 31, 1],
        [31, 7, 2],
      ]) {
        const expected = (pixel(salt, channel, row, column) / 255 - mean[channel]) / std[channel];
        expect(x[i * 3072 + (row * 32 + column) * 3 + channel]).toBeCloseTo(expected, 5);
      }
    }
  });

  it('averages over squares of pixels, channels last', () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'data_batch_1.bin'), record(0, 3));
    for (const side of [1, 8, 16]) {
      const { data: x, shape } = cifar10Data({ folder, n: 1, classes: 1, side }).x;
      expect(shape).toEqual([1, side * side * 3]);
      const square = 32 / side;
      for (let i = 0; i < x.length; i++) {
        const [row, column, channel] = [Math.floor(i / 3 / side), Math.floor(i / 3) % side, i % 3];
        let sum = 0;
        for (let k = 0; k < square * square; k++) {
          sum += pixel(3, channel, row * square + Math.floor(k / square), column * square + (k % square)) / 255;
        }
        expect(x[i]).toBeCloseTo((sum / (square * square) - mean[channel]) / std[channel], 5);
      }
    }
  });

  it('says which file is at fault, at which byte, and what to do', () => {
    const cases: [string, Buffer, RegExp][] = [
      ['truncated', Buffer.concat([record(0), record(1).subarray(0, 100)]), /data_batch_1\.bin.*at byte 3073, has 100/],
      ['empty', Buffer.alloc(0), /data_batch_1\.bin.*received 0 bytes/],
      [
        'mislabelled',
        Buffer.concat([record(1), record(10)]),
        /data_batch_1\.bin.*label from 0 to 9 at byte 3073, received 10/,
      ],
      ['too few', Buffer.concat([record(0), record(0)]), /expected 1 images of class 1 .*received 0; use more/],
    ];
    for (const [what, bytes, message] of cases) {
      const folder = freshFolder();
      writeFileSync(join(folder, 'data_batch_1.bin'), bytes);
      expect(() => cifar10Data({ folder, n: 2, classes: 2 }), what).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_DATA', message: expect.stringMatching(message) }),
      );
    }
    const folder = freshFolder();
    for (const missing of [folder, join(folder, 'none')]) {
      expect(() => cifar10Data({ folder: missing, n: 4 })).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_FILE', message: expect.stringContaining(missing) }),
      );
    }
  });

  it('refuses more images than there are before it asks for memory, whatever the number', () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'data_batch_1.bin'), Buffer.concat([record(0), record(1)]));
    writeFileSync(join(folder, 'data_batch_2.bin'), record(1));
    writeFileSync(join(folder, 'test_batch.bin'), record(0));
    for (const n of [4, 1e9, 2 ** 40, Number.MAX_SAFE_INTEGER - 1]) {
      for (const [split, there] of [
        ['train', 'received 3 in 2 files data_batch_'],
        ['test', 'received 1 in 1 file test_batch'],
      ] as const) {
        expect(() => cifar10Data({ folder, split, n, classes: 2 }), `${split} ${n}`).toThrow(
          expect.objectContaining({
            code: 'ERR_ZEROTH_DATA',
            message: expect.stringContaining(`expected ${n} images (n), ${there}`),
          }),
        );
      }
    }
  });

  it('reads the test images from their own file, standardised as the training images are', () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'data_batch_1.bin'), Buffer.concat([record(0, 1), record(1, 2)]));
    writeFileSync(join(folder, 'test_batch.bin'), Buffer.concat([record(1, 1), record(0, 7)]));
    const train = cifar10Data({ folder, n: 2, classes: 2 });
    const test = cifar10Data({ folder, split: 'test', n: 2, classes: 2 });
    expect([...test.y.data]).toEqual([1, 0]);
    // The same pixels, so the same numbers.
    expect(test.x.data.slice(0, 3072)).toEqual(train.x.data.slice(0, 3072));
    expect(test.x.data.slice(3072)).not.toEqual(train.x.data.slice(3072));
    const trainOnly = freshFolder();
    writeFileSync(join(trainOnly, 'data_batch_1.bin'), record(0));
    expect(() => cifar10Data({ folder: trainOnly, split: 'test', n: 1, classes: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_ZEROTH_FILE', message: expect.stringContaining('test_batch.bin') }),
    );
    expect(() => cifar10Data({ folder, split: 'validation' as 'test', n: 1, classes: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT', message: expect.stringContaining('split') }),
    );
  });

  it('refuses bad options', () => {
    for (const bad of [{ n: 3 }, { n: 0 }, { side: 5 }, { classes: 11 }, { folder: '' }]) {
      expect(() => cifar10Data({ folder: 'none', n: 4, ...bad })).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_ARGUMENT' }),
      );
    }
  });

  const real = process.env.ZEROTH_CIFAR10;
  it('reads the real images (set ZEROTH_CIFAR10 to a folder of data_batch_*.bin)', ({ skip }) => {
    if (!real) skip('ZEROTH_CIFAR10 names no folder of data_batch_*.bin');
    const data = cifar10Data({ folder: real as string, n: 1000 });
    const [x, y] = [data.x.data, data.y.data];
    expect(y.length).toBe(1000);
    expect([0, 1, 2, 3].map((label) => y.filter((value) => value === label).length)).toEqual([250, 250, 250, 250]);
    // The first of these images in the file, by another walk through its bytes.
    const bytes = readFileSync(join(real as string, 'data_batch_1.bin'));
    let at = 0;
    while (bytes[at] > 3) at += RECORD;
    expect(y[0]).toBe(bytes[at]);
    expect(x[1]).toBeCloseTo((bytes[at + 1 + 1024] / 255 - mean[1]) / std[1], 5);
    // Standardised by the whole training set's moments, so that a sample's are near 0 and 1.
    const average = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - average) ** 2, 0) / x.length;
    expect(Math.abs(average)).toBeLessThan(0.15);
    expect(Math.abs(variance - 1)).toBeLessThan(0.2);
    const images = readdirSync(real as string)
      .filter((name) => /^data_batch_.+\.bin$/.test(name))
      .reduce((sum, name) => sum + statSync(join(real as string, name)).size / RECORD, 0);
    expect(() => cifar10Data({ folder: real as string, n: 1e9 })).toThrow(`received ${images} in`);
    if (!readdirSync(real as string).includes('test_batch.bin')) return;
    // All of the test images: 1,000 of each class.
    const test = cifar10Data({ folder: real as string, split: 'test', n: 10_000, classes: 10, side: 1 });
    for (let label = 0; label < 10; label++) expect(test.y.data.filter((value) => value === label)).toHaveLength(1000);
  });
});
