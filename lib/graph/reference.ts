import { ZerothError } from '../errors.ts';
import { isOp } from './build.ts';
import { expanded } from './expand.ts';
import { type Graph, type Node, sizeOf } from './node.ts';
import { multiOpOf, opOf } from './ops/table.ts';
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
  graph.inputs.forEach((node, i) => {
    if (inputs[i].length !== sizeOf(node.shape)) {
      throw new ZerothError(
        'ERR_ZEROTH_ARGUMENT',
        `inputs[${i}] (${node.attributes.name}): expected ${sizeOf(node.shape)} values, received ${inputs[i].length}.`,
      );
    }
  });
  return evaluatorOf(graph)(inputs.map((x) => Float64Array.from(x)));
}

type Evaluator = (inputs: readonly Float64Array[]) => Float64Array[];

/** A graph as a function; a loop calls that of its body once a step. */
function evaluatorOf(graph: Graph): Evaluator {
  const { inputs, outputs } = expanded(graph);
  const order = reachable(outputs, inputs);
  const bodies = new Map<Graph, Evaluator>();
  const evaluate = (body: Graph, values: readonly Float64Array[]): Float64Array[] => {
    const known = bodies.get(body) ?? evaluatorOf(body);
    bodies.set(body, known);
    return known(values);
  };
  return (given) => {
    const values = new Map<Node, Float64Array>(inputs.map((node, i) => [node, given[i]]));
    const ofResults = new Map<Node, readonly Float64Array[]>();
    for (const node of order) {
      if (values.has(node)) continue;
      const operands = node.inputs.map((x) => values.get(x)!);
      const several = multiOpOf(node);
      if (isOp(node, 'result')) values.set(node, ofResults.get(node.inputs[0])![node.attributes.index]);
      else if (several) ofResults.set(node, several.reference(node, operands, evaluate));
      else values.set(node, opOf(node).reference(node, operands));
    }
    return outputs.map((node) => values.get(node)!);
  };
}
