import { afterAll, describe, it } from 'vitest';
import { openDevice } from '../../../lib/device/device.ts';
import { grad, jvp, mul, sum, type Tensor, type TensorSpec, tanh, trace, vmap } from '../../../lib/graph/ops.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
import { runNative } from '../plan/native-run.ts';
import { expectClose, expectFaithful, valuesFor } from '../plan/support.ts';
import { loopCases, looped } from './bodies.ts';

type ManyToMany = (...args: Tensor[]) => Tensor[];

const device = openDevice({ threads: 2 });
afterAll(() => device.dispose());

/** The plan computes what the graph says, its bytes in f64 and on the device. */
async function faithful(f: ManyToMany, specs: readonly TensorSpec[]): Promise<void> {
  const graph = trace(f, ...specs);
  expectFaithful(graph);
  const data = valuesFor(graph).map((values) => Float32Array.from(values));
  const received = await runNative(device, graph, data);
  evaluateReference(graph, data).forEach((expected, i) => {
    expectClose(Float64Array.from(received[i]), expected, `output ${i} on the device`, 1e-5);
  });
}

describe.each(loopCases)('a planned loop with $name', ({ f, specs }) => {
  const g = f(looped);
  const n = specs.length;
  const loss: (...args: Tensor[]) => Tensor = (...args) =>
    g(...args)
      .map((y, i) => sum(mul(tanh(y), 1 + 0.3 * i)))
      .reduce((a, b) => a.add(b));
  const gradient: ManyToMany = (...args) => grad((list: Tensor[]) => loss(...list))(args);

  it('gives what its graph gives', async () => {
    await faithful(g, specs);
    await faithful((...args) => [loss(...args)], specs);
  });
  it('gives what its derivatives give', async () => {
    await faithful(gradient, specs);
    await faithful((...args) => [loss(...args), ...gradient(...args)], specs);
    await faithful(
      (...args) => jvp((...x: Tensor[]) => gradient(...x))(args.slice(0, n), args.slice(n))[1],
      [...specs, ...specs],
    );
  });
  it('gives what its batches give', async () => {
    const wide = specs.map(({ shape }) => ({ shape: [2, ...shape] }));
    await faithful((...args) => vmap((...x: Tensor[]) => g(...x))(...args) as Tensor[], wide);
    await faithful(
      (...args) =>
        vmap((...v: Tensor[]) => jvp((...x: Tensor[]) => gradient(...x))(args.slice(0, n), v)[1])(...args.slice(n)),
      [...specs, ...wide],
    );
  });
});
