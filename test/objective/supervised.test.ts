import { afterAll, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { mlp } from '../../lib/models/mlp.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { compile } from '../../lib/objective/objective.ts';
import { supervised } from '../../lib/objective/supervised.ts';

const device = openDevice();
afterAll(() => device.dispose());

const x = new Float32Array(12).fill(0.5);
const problem = (y: number[], loss = squaredLoss) =>
  supervised(
    mlp({ sizes: [3, 5, 2] }),
    { x: { shape: [4, 3], data: x }, y: { shape: [4], data: Int32Array.from(y) } },
    loss,
  );

it('a label that is none of the classes is refused, with its place', async () => {
  for (const loss of [squaredLoss, softmaxCrossEntropy]) {
    await expect(compile(device, problem([0, 1, 2, 0], loss))).rejects.toMatchObject({
      code: 'ERR_ZEROTH_DATA',
      message: expect.stringContaining("from 0 to 1, one of the model's 2 outputs each, received 2 at element 2"),
    });
    await expect(compile(device, problem([0, 1, 1, -1], loss))).rejects.toMatchObject({ code: 'ERR_ZEROTH_DATA' });
    expect((await compile(device, problem([0, 1, 1, 0], loss))).examples).toBe(4);
  }
});
