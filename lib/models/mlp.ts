import { checkInteger, checkOptions, invalidArgument, ZerothError } from '../errors.ts';
import { gelu } from '../graph/ops.ts';
import { linear, linearParameters } from '../nn/linear.ts';
import type { ParameterSpec } from '../nn/parameters.ts';
import type { Model } from './model.ts';

export interface MlpOptions {
  /** Features in, units of each hidden layer, features out. At least two. */
  readonly sizes: readonly number[];
  /** Default 'mlp'. */
  readonly name?: string;
}

/**
 * A multi-layer perceptron: linear layers with biases, exact GELU between them; weights and biases start as U(±1/√inputs).
 * Parameters `layer1.weight` [sizes[0], sizes[1]], `layer1.bias` [sizes[1]], `layer2.weight`, …; x [n, sizes[0]] → [n, last size].
 *
 *     mlp({ sizes: [3072, 256, 256, 4] }); // 853,508 parameters
 *
 * @throws ERR_ZEROTH_ARGUMENT
 */
export function mlp(options: MlpOptions): Model {
  checkOptions('options', options, { sizes: true, name: true });
  const { sizes, name = 'mlp' } = options;
  if (!Array.isArray(sizes) || sizes.length < 2) invalidArgument('sizes', 'at least two layer sizes', sizes);
  const parameters: Record<string, ParameterSpec> = {};
  const layers = sizes.length - 1;
  for (let i = 0; i < layers; i++) {
    checkInteger(`sizes[${i}]`, sizes[i], 1);
    checkInteger(`sizes[${i + 1}]`, sizes[i + 1], 1);
    const { weight, bias } = linearParameters(sizes[i], sizes[i + 1]);
    parameters[`layer${i + 1}.weight`] = weight;
    parameters[`layer${i + 1}.bias`] = bias;
  }
  return {
    name,
    parameters,
    apply: (p, x) => {
      if (x.rank < 1 || x.shape[x.rank - 1] !== sizes[0])
        throw new ZerothError(
          'ERR_ZEROTH_SHAPE',
          `${name}: expected x [n, ${sizes[0]}], for the model has ${sizes[0]} inputs, received [${x.shape.join(', ')}].`,
        );
      let h = x;
      for (let i = 1; i <= layers; i++) {
        h = linear(h, p[`layer${i}.weight`], p[`layer${i}.bias`]);
        if (i < layers) h = gelu(h);
      }
      return h;
    },
  };
}
