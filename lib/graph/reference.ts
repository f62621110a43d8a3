import { ZerothError } from '../errors.ts';
import { expanded } from './expand.ts';
import { type Graph, sizeOf } from './node.ts';
import type { Op } from './ops/op.ts';
import { opTable } from './ops/table.ts';
import { reachable } from './transforms.ts';

/**
 * Runs a graph in f64, one operation after the other, by the reference rows of the op table, composites by those of what they are made of: slow, plain, and the oracle of every test.
 *
 * @param inputs row-major values, one array an input of the graph.
 * @returns one array an output (i32 values are f64 too).
 */
export function evaluateReference(
  graph: Graph,
  inputs: readonly (Float64Array | Float32Array | Int32Array)[],
): Float64Array[] {
  if (inputs.length !== graph.inputs.length) {
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `inputs: expected ${graph.inputs.length} arrays, received ${inputs.length}.`,
    );
  }
  const { outputs } = expanded(graph);
  const values = new Map<object, Float64Array>();
  graph.inputs.forEach((node, i) => {
    if (inputs[i].length !== sizeOf(node.shape)) {
      throw new ZerothError(
        'ERR_ZEROTH_ARGUMENT',
        `inputs[${i}] (${node.attributes.name}): expected ${sizeOf(node.shape)} values, received ${inputs[i].length}.`,
      );
    }
    values.set(node, Float64Array.from(inputs[i]));
  });
  for (const node of reachable(outputs, graph.inputs)) {
    if (values.has(node)) continue;
    values.set(
      node,
      (opTable[node.op] as Op).reference(
        node,
        node.inputs.map((x) => values.get(x)!),
      ),
    );
  }
  return outputs.map((node) => values.get(node)!);
}
