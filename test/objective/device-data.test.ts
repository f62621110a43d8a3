import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { ZerothError } from '../../lib/errors.ts';
import { mean, mul } from '../../lib/graph/ops.ts';
import { compile } from '../../lib/objective/objective.ts';
import type { Tensors } from '../../lib/objective/problem.ts';

const device = openDevice({ threads: 1 });
afterEach(() => vi.restoreAllMocks());
afterAll(() => device.dispose());

const problem = {
  parameters: { w: { shape: [1], init: [2] } },
  data: { x: [1, 2, 3, 4], y: [1, 1, 2, 2] },
  constants: { k: [3] },
  loss: ({ w }: Tensors, { x, y }: Tensors, { k }: Tensors) => mean(mul(mul(mul(w, x), y), k)),
};

/** The n-th allocation from now on finds no memory. */
function failAllocation(n: number) {
  const allocate = device.allocate.bind(device);
  let calls = 0;
  return vi.spyOn(device, 'allocate').mockImplementation((bytes) => {
    if (++calls === n) throw new ZerothError('ERR_ZEROTH_MEMORY', 'no memory');
    return allocate(bytes);
  });
}

const noMemory = expect.objectContaining({ code: 'ERR_ZEROTH_MEMORY' });

describe('memory that runs out', () => {
  // 2 w k (x y) / rows: w = 2, k = 3.
  const rowsOf = (rows: readonly number[]) =>
    rows.reduce((sum, row) => sum + (6 * problem.data.x[row] * problem.data.y[row]) / rows.length, 0);

  it.each([1, 2])('while a batch is gathered (array %i) leaves the next batch right, of any size', async (n) => {
    await using objective = await compile(device, problem);
    const lossOf = async (rows: readonly number[]) => (await objective.batch(rows).losses([[]]))[0];
    // Displacements and programs have their memory from here on.
    for (const rows of [[0], [1, 2, 3], [0, 1]]) expect(await lossOf(rows)).toBeCloseTo(rowsOf(rows));
    const before = device.memory();
    const allocate = failAllocation(n);
    await expect(lossOf([1, 2, 3])).rejects.toEqual(noMemory);
    allocate.mockRestore();
    expect(device.memory().bufferBytes).toBeLessThan(before.bufferBytes);
    for (const rows of [[2, 3], [3, 1, 0], [1]]) expect(await lossOf(rows)).toBeCloseTo(rowsOf(rows));
  });

  it('while the data of a problem are put on the device leaves nothing behind', async () => {
    const before = device.memory();
    // θ and its copy come first.
    for (let n = 3; n <= 5; n++) {
      const allocate = failAllocation(n);
      await expect(compile(device, problem)).rejects.toEqual(noMemory);
      allocate.mockRestore();
      expect(device.memory(), `allocation ${n}`).toEqual(before);
    }
  });

  it('while other data are brought leaves nothing behind', async () => {
    await using objective = await compile(device, problem);
    await objective.losses([[]]);
    const before = device.memory();
    for (let n = 1; n <= 4; n++) {
      const allocate = failAllocation(n);
      const evaluated = objective.evaluate((_, { a, b }) => mul(a, b), { a: [1, 2], b: [3, 4] });
      await expect(evaluated).rejects.toEqual(noMemory);
      allocate.mockRestore();
      expect(device.memory(), `allocation ${n}`).toEqual(before);
    }
  });
});
