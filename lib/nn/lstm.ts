import { checkInteger, checkObject, ZerothError } from '../errors.ts';
import { add, full, matmul, mul, scan, sigmoid, slice, type Tensor, tanh } from '../graph/ops.ts';
import { type Initialiser, type ParameterSpec, torchUniform } from './parameters.ts';

/** Weights of a layer of `units` cells, their gates side by side in PyTorch's order: input, forget, cell, output. */
export interface LstmWeights {
  /** [inputs, 4 units] */
  readonly input: Tensor;
  /** [units, 4 units] */
  readonly state: Tensor;
  /** [4 units] */
  readonly bias: Tensor;
}

/** What a layer hands from one step to the next: h is what it says, c what it keeps. Both [n, units]. */
export interface LstmState {
  readonly h: Tensor;
  readonly c: Tensor;
}

/** Parameters of `lstm`; all start as U(±1/√units) unless told otherwise. */
export function lstmParameters(
  inputs: number,
  units: number,
  init?: Initialiser,
): { input: ParameterSpec; state: ParameterSpec; bias: ParameterSpec } {
  checkInteger('inputs', inputs, 1);
  checkInteger('units', units, 1);
  const start = init ?? torchUniform(units);
  return {
    input: { shape: [inputs, 4 * units], init: start },
    state: { shape: [units, 4 * units], init: start },
    bias: { shape: [4 * units], init: start },
  };
}

/** One step of a layer (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000). x [n, inputs]. */
export function lstmCell(x: Tensor, { h, c }: LstmState, { input, state, bias }: LstmWeights): LstmState {
  const gates = add(add(matmul(x, input), matmul(h, state)), bias);
  const [n, units] = c.shape;
  const gate = (k: number): Tensor => slice(gates, [0, k * units], [n, (k + 1) * units]);
  const next = add(mul(sigmoid(gate(1)), c), mul(sigmoid(gate(0)), tanh(gate(2))));
  return { h: mul(sigmoid(gate(3)), tanh(next)), c: next };
}

/**
 * A layer of LSTM cells over time. A loss that reads only the last state keeps one state in memory, however long the sequence.
 *
 * @param x [steps, n, inputs]: time first.
 * @param start state before the first step. Default zeros.
 * @returns `states` [steps, n, units], what the layer says at each step, and the `last` state.
 * @throws ERR_ZEROTH_SHAPE
 */
export function lstm(x: Tensor, weights: LstmWeights, start?: LstmState): { states: Tensor; last: LstmState } {
  checkObject('weights', weights, 'the tensors { input, state, bias }');
  if (x.shape.length !== 3)
    throw new ZerothError('ERR_ZEROTH_SHAPE', `lstm: expected x [steps, n, inputs], received [${x.shape.join(', ')}].`);
  const none = full([x.shape[1], weights.state.shape[0]], 0);
  const first: LstmState = start ?? { h: none, c: none };
  const [last, states] = scan<LstmState, Tensor, Tensor>(
    (state, now) => {
      const next = lstmCell(now, state, weights);
      return [next, next.h];
    },
    { h: first.h, c: first.c },
    x,
  );
  return { states, last };
}
