import { describe, expect, it } from 'vitest';
import { jvp, sum, type Tensor, trace } from '../../lib/graph/ops.ts';
import { evaluateReference } from '../../lib/graph/reference.ts';
import { lstm, lstmParameters } from '../../lib/nn/lstm.ts';
import { directionalDifference, expectClose, prepare, randomSource, run, uniform } from '../graph/evaluate.ts';

const [steps, n, inputs, units] = [4, 2, 3, 2];
const next = randomSource(4);
const shapes = [[steps, n, inputs], [inputs, 4 * units], [units, 4 * units], [4 * units], [n, units], [n, units]];
const specs = shapes.map((shape) => ({ shape }));
const values = shapes.map((shape) =>
  uniform(
    next,
    shape.reduce((a, b) => a * b),
  ),
);

/** The layer as its equations say it, number by number. */
function naive(x: Float64Array, w: Float64Array, u: Float64Array, b: Float64Array, h: Float64Array, c: Float64Array) {
  const logistic = (z: number) => 1 / (1 + Math.exp(-z));
  const states: number[] = [];
  let [hidden, cell] = [Array.from(h), Array.from(c)];
  for (let t = 0; t < steps; t++) {
    const [nextHidden, nextCell] = [[...hidden], [...cell]];
    for (let i = 0; i < n; i++)
      for (let j = 0; j < units; j++) {
        const gate = (k: number) => {
          const column = k * units + j;
          let z = b[column];
          for (let l = 0; l < inputs; l++) z += x[(t * n + i) * inputs + l] * w[l * 4 * units + column];
          for (let l = 0; l < units; l++) z += hidden[i * units + l] * u[l * 4 * units + column];
          return z;
        };
        const kept = logistic(gate(1)) * cell[i * units + j];
        nextCell[i * units + j] = kept + logistic(gate(0)) * Math.tanh(gate(2));
        nextHidden[i * units + j] = logistic(gate(3)) * Math.tanh(nextCell[i * units + j]);
      }
    [hidden, cell] = [nextHidden, nextCell];
    states.push(...hidden);
  }
  return { states, hidden, cell };
}

const layer = (x: Tensor, input: Tensor, state: Tensor, bias: Tensor, h: Tensor, c: Tensor): Tensor[] => {
  const { states, last } = lstm(x, { input, state, bias }, { h, c });
  return [states, last.h, last.c];
};

describe('a layer of LSTM cells', () => {
  it('is what its equations say, gates in the order input, forget, cell, output', () => {
    const [x, w, u, b, h, c] = values;
    const expected = naive(x, w, u, b, h, c);
    const [states, hidden, cell] = run(layer, specs, values);
    expectClose(states, expected.states, 1e-12);
    expectClose(hidden, expected.hidden, 1e-12);
    expectClose(cell, expected.cell, 1e-12);
  });

  it('starts with zeros unless told otherwise', () => {
    const [x, w, u, b] = values;
    const zero = new Float64Array(n * units);
    const graph = trace(
      (x: Tensor, input: Tensor, state: Tensor, bias: Tensor) => lstm(x, { input, state, bias }).states,
      specs[0],
      specs[1],
      specs[2],
      specs[3],
    );
    expectClose(evaluateReference(graph, [x, w, u, b])[0], naive(x, w, u, b, zero, zero).states, 1e-12);
  });

  it('has the derivative that finite differences have', () => {
    const loss = (...args: Tensor[]): Tensor =>
      layer(...(args as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]))
        .map((y, i) => sum(y.square()).mul(i + 1))
        .reduce((a, b) => a.add(b));
    const directions = values.map(({ length }) => uniform(next, length));
    const value = prepare((...args) => loss(...args), specs);
    const slope = (...args: Tensor[]): Tensor => jvp(loss)(args.slice(0, 6), args.slice(6))[1];
    const [received] = run(slope, [...specs, ...specs], [...values, ...directions]);
    expectClose(
      received,
      directionalDifference((x) => value(x)[0], values, directions),
      1e-8,
    );
  });

  it('declares parameters that start like those of PyTorch: U(±1/√units)', () => {
    const init = { kind: 'uniform', bound: 0.5 };
    expect(lstmParameters(3, 4)).toEqual({
      input: { shape: [3, 16], init },
      state: { shape: [4, 16], init },
      bias: { shape: [16], init },
    });
    expect(() => lstmParameters(0, 4)).toThrow(/inputs/);
    expect(() => lstmParameters(3, 1.5)).toThrow(/units/);
  });

  it('refuses what is no series, and weights that are not there', () => {
    const [, ...rest] = specs;
    const failing = (x: number[]) => () =>
      trace(
        (x: Tensor, i: Tensor, s: Tensor, b: Tensor) => lstm(x, { input: i, state: s, bias: b }).states,
        { shape: x },
        rest[0],
        rest[1],
        rest[2],
      );
    expect(failing([n, inputs])).toThrow(/steps, n, inputs/);
    expect(failing([steps, n, inputs + 1])).toThrow(expect.objectContaining({ code: 'ERR_ZEROTH_SHAPE' }));
    expect(() => trace((x: Tensor) => lstm(x, undefined as never).states, specs[0])).toThrow(/weights/);
  });
});
