import * as $ from '../build.ts';
import type { Graph, Loop, Node } from '../node.ts';
import { range } from '../ops/op.ts';
import { reachable } from '../transforms.ts';
import { substituted } from './substitute.ts';

/** One loop that does the work of two: a loop that another one does anyway, as the forward pass of a tangent's, is not done twice. */

/** What the input of a body stands for: the operand, and for a carry the value that the next step receives. */
interface Role {
  readonly operand: Node;
  readonly kind: 'constant' | 'carry' | 'row';
  readonly next?: Node;
}

function rolesOf({ inputs, attributes: { body, constants, carries } }: Node<'scan'>): Map<Node, Role> {
  const role = (i: number): Role => {
    const operand = inputs[i];
    if (i < constants) return { operand, kind: 'constant' };
    if (i < constants + carries) return { operand, kind: 'carry', next: body.outputs[i - constants] };
    return { operand, kind: 'row' };
  };
  return new Map(body.inputs.map((input, i) => [input, role(i)]));
}

/** Whether the one loop does all steps of the other. Transforms keep the nodes of a body that they extend, so that identity tells. */
function includes(whole: Node<'scan'>, part: Node<'scan'>): boolean {
  const [a, b] = [whole.attributes, part.attributes];
  if (a.length !== b.length || a.reverse !== b.reverse || whole === part) return false;
  const roles = rolesOf(whole);
  return [...rolesOf(part)].every(([input, role]) => {
    const same = roles.get(input);
    return same?.kind === role.kind && same.operand === role.operand && same.next === role.next;
  });
}

function dependsOn(node: Node, other: Node): boolean {
  const stack = [...node.inputs];
  const seen = new Set<Node>();
  while (stack.length > 0) {
    const next = stack.pop()!;
    if (next === other) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    stack.push(...next.inputs);
  }
  return false;
}

/** The results of `part`, in their order, from one loop that does both; and those of `whole`. */
function joined(whole: Node<'scan'>, part: Node<'scan'>): { ofPart: Node[]; ofWhole: Node[] } {
  const { body, carries } = whole.attributes;
  const stacked = [...body.outputs.slice(carries)];
  const placeOf = (output: Node): number => {
    const known = stacked.indexOf(output);
    return known >= 0 ? known : stacked.push(output) - 1;
  };
  const inner = part.attributes;
  const places = inner.body.outputs.slice(inner.carries).map(placeOf);
  const loop = $.scan(whole.inputs, {
    ...whole.attributes,
    body: { inputs: body.inputs, outputs: [...body.outputs.slice(0, carries), ...stacked] },
  });
  const last = (i: number) => $.result(loop, i);
  const history = (i: number) => $.result(loop, carries + stacked.length + i);
  const output = (j: number) => $.result(loop, carries + j);
  const carriesOf = (x: Loop) => x.body.inputs.slice(x.constants, x.constants + x.carries);
  const own = carriesOf(whole.attributes);
  const found = carriesOf(inner).map((input) => own.indexOf(input));
  return {
    ofPart: [...found.map(last), ...places.map(output), ...found.map(history)],
    ofWhole: [
      ...range(carries).map(last),
      ...range(body.outputs.length - carries).map(output),
      ...range(carries).map(history),
    ],
  };
}

/** A graph in which no loop does what another one does too. */
export function joinLoops(graph: Graph): Graph {
  let { outputs } = graph;
  for (;;) {
    const order = reachable(outputs, graph.inputs);
    const loops = order.filter((node) => $.isOp(node, 'scan'));
    const pair = loops
      .flatMap((part) => loops.map((whole) => ({ whole, part })))
      .find(({ whole, part }) => includes(whole, part) && !dependsOn(whole, part));
    if (!pair) return { inputs: graph.inputs, outputs };
    const { ofPart, ofWhole } = joined(pair.whole, pair.part);
    const replaced = new Map<Node, Node>();
    for (const node of order) {
      if (!$.isOp(node, 'result')) continue;
      const [loop] = node.inputs;
      if (loop === pair.part) replaced.set(node, ofPart[node.attributes.index]);
      else if (loop === pair.whole) replaced.set(node, ofWhole[node.attributes.index]);
    }
    outputs = substituted(outputs, order, replaced);
  }
}
