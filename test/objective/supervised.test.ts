import { afterAll, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { mlp } from '../../lib/models/mlp.ts';
import { softmaxCrossEntropy, squaredLoss } from '../../lib/nn/losses.ts';
import { accuracy } from '../../lib/nn/metrics.ts';
import { compile } from '../../lib/objective/objective.ts';
import { supervised } from '../../lib/objective/supervised.ts';
import { zoGD } from '../../lib/optimizers/recipes.ts';
import { train } from '../../lib/train/train.ts';

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

it('a problem may have examples that are held out among its constants, which metrics see by their names', async () => {
  const model = mlp({ sizes: [3, 5, 2] });
  const labelled = supervised(model, { x: { shape: [4, 3], data: x }, y: [0, 1, 1, 0] }, softmaxCrossEntropy, {
    constants: { heldOutX: [[1, 2, 3]], heldOutY: { data: [1], dtype: 'i32' } },
  });
  const objective = await compile(device, labelled);
  const end = await train(objective, zoGD({ lr: 0.01 }), {
    steps: 2,
    metrics: { heldOut: (p, _, { heldOutX, heldOutY }) => accuracy(model.apply(p, heldOutX), heldOutY) },
  });
  expect([0, 1]).toContain(end.metrics?.heldOut);
});

it('what does not fit is refused in the words of the problem', async () => {
  const model = mlp({ name: 'small', sizes: [3, 5, 2] });
  const data = { x: { shape: [4, 3], data: x }, y: [0, 1, 1, 0] };
  expect(() => supervised(model, data, 'squared' as never)).toThrow(/^loss: expected a function/);
  expect(() => supervised(model, data, undefined as never)).toThrow(/^loss: expected a function/);
  // A function is named, and not printed.
  expect(() => supervised(mlp as never, data, squaredLoss)).toThrow(/received the function mlp\.$/);
  expect(() => supervised(model, { x: [[1, 2]], y: [1] }, squaredLoss)).toThrow(
    'small: expected x [n, 3], for the model has 3 inputs, received [1, 2].',
  );
  const oneHot = supervised(model, { x: [[1, 2, 3]], y: [[0, 1]] }, softmaxCrossEntropy);
  await expect(compile(device, oneHot)).rejects.toThrow(
    /Give the number of each class, from 0, in place of one-hot rows/,
  );
});
