import { describe, it } from 'vitest';
import { grad, jvp, mul, sum, type Tensor, type TensorSpec, tanh, trace, vmap } from '../../../lib/graph/ops.ts';
import type { Plan } from '../../../lib/graph/plan/plan.ts';
import { expectFaithful } from '../plan/support.ts';
import { loopCases, looped } from './bodies.ts';

type ManyToMany = (...args: Tensor[]) => Tensor[];

const faithful = (f: ManyToMany, specs: readonly TensorSpec[]): Plan => expectFaithful(trace(f, ...specs));

describe.each(loopCases)('a planned loop with $name', ({ f, specs }) => {
  const g = f(looped);
  const n = specs.length;
  const loss: (...args: Tensor[]) => Tensor = (...args) =>
    g(...args)
      .map((y, i) => sum(mul(tanh(y), 1 + 0.3 * i)))
      .reduce((a, b) => a.add(b));
  const gradient: ManyToMany = (...args) => grad((list: Tensor[]) => loss(...list))(args);

  it('gives what its graph gives', () => {
    faithful(g, specs);
    faithful((...args) => [loss(...args)], specs);
  });
  it('gives what its derivatives give', () => {
    faithful(gradient, specs);
    faithful((...args) => [loss(...args), ...gradient(...args)], specs);
    faithful(
      (...args) => jvp((...x: Tensor[]) => gradient(...x))(args.slice(0, n), args.slice(n))[1],
      [...specs, ...specs],
    );
  });
  it('gives what its batches give', () => {
    const wide = specs.map(({ shape }) => ({ shape: [2, ...shape] }));
    faithful((...args) => vmap((...x: Tensor[]) => g(...x))(...args) as Tensor[], wide);
    faithful(
      (...args) =>
        vmap((...v: Tensor[]) => jvp((...x: Tensor[]) => gradient(...x))(args.slice(0, n), v)[1])(...args.slice(n)),
      [...specs, ...wide],
    );
  });
});
