import * as $ from '../build.ts';
import { capture } from '../capture.ts';
import type { Graph, Node } from '../node.ts';
import { range } from '../ops/op.ts';
import { reachable } from '../transforms.ts';
import { withOrigin } from '../where.ts';
import { constantOf } from './pattern.ts';
import { substituted } from './substitute.ts';

/** Loops with less in them: what no result needs is not carried, and what is the same in every step is computed before the loop. */

/** A loop without what is not needed. */
interface Trimmed {
  /** The operands that are still needed. */
  readonly needs: ReadonlySet<number>;
  /** The results by their old numbers, given the operands by theirs. */
  readonly build: (operands: readonly Node[]) => (index: number) => Node;
}

/** Values of a step that are the same in all of them, and the operand that each is. */
interface Invariant {
  readonly index: number;
  /** The operand has the value once for each step. */
  readonly row: boolean;
}

/** The row of an operand that repeats one along axis 0. */
function rowOf(operand: Node): Node {
  const shape = operand.shape.slice(1);
  if ($.isOp(operand, 'constant')) return $.constant(operand.attributes.value, shape, operand.dtype);
  const { axes } = (operand as Node<'broadcast'>).attributes;
  return $.broadcast(
    operand.inputs[0],
    shape,
    axes.map((axis) => axis - 1),
  );
}

/** Whether a step returns a carry as it was, or the number that the carry is from the start. */
const returns = (next: Node, input: Node, operand: Node): boolean =>
  next === input || (constantOf(next) !== undefined && constantOf(next) === constantOf(operand));

const repeatsRow = (x: Node): boolean =>
  constantOf(x) !== undefined || ($.isOp(x, 'broadcast') && !x.attributes.axes.includes(0));

/** Repeats a value once for each step. */
const everyStep = (x: Node, length: number): Node =>
  $.broadcast(
    x,
    [length, ...x.shape],
    range(x.shape.length).map((axis) => axis + 1),
  );

function trim(node: Node<'scan'>, live: ReadonlySet<number>, simplify: (graph: Graph) => Graph): Trimmed {
  const { body, length, reverse, constants, carries: count } = node.attributes;
  const isCarry = (i: number) => i >= constants && i < constants + count;
  const { inputs } = body;
  const numberOf = new Map<Node, number>(inputs.map((input, i) => [input, i]));
  const carries = inputs.slice(constants, constants + count);

  // Numbers and repeated operands go into the body, until the body shows no more of them.
  let outputs: readonly Node[] = simplify(body).outputs;
  const invariants = new Map<Node, Invariant>();
  for (;;) {
    inputs.forEach((input, i) => {
      if (invariants.has(input)) return;
      const row = i >= constants + count;
      const same = isCarry(i)
        ? returns(outputs[i - constants], input, node.inputs[i])
        : !row || repeatsRow(node.inputs[i]);
      if (same) invariants.set(input, { index: i, row });
    });
    const first = new Map<Node, Node>();
    const replaced = new Map<Node, Node>();
    const used = new Set(reachable(outputs, inputs));
    for (const [input, { index, row }] of invariants) {
      if (!used.has(input)) continue;
      const operand = node.inputs[index];
      const value = constantOf(operand);
      const known = row ? undefined : first.get(operand);
      if (value !== undefined) replaced.set(input, $.constant(value, input.shape, input.dtype));
      else if (known) replaced.set(input, known);
      else if (!row) first.set(operand, input);
    }
    if (replaced.size === 0) break;
    outputs = simplify({ inputs, outputs: substituted(outputs, reachable(outputs, inputs), replaced) }).outputs;
  }

  // What the live results need.
  const kept = new Set<Node>();
  const stack: Node[] = [];
  const keep = (input: Node): void => {
    if (invariants.has(input) || kept.has(input)) return;
    kept.add(input);
    const i = numberOf.get(input)!;
    if (isCarry(i)) stack.push(outputs[i - constants]);
  };
  for (const index of live) {
    if (index >= count && index < outputs.length) stack.push(outputs[index]);
    else keep(carries[index < count ? index : index - outputs.length]);
  }
  const seen = new Set<Node>();
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    if (numberOf.has(at)) keep(at);
    stack.push(...at.inputs);
  }
  const keptCarries = carries.filter((input) => kept.has(input));
  const keptRows = inputs.filter((input, i) => i >= constants + count && kept.has(input));
  const parameters = [...keptCarries, ...keptRows];

  // An output that is an input, or the same in all steps, needs no loop.
  const wanted = [...live].filter((index) => index >= count && index < outputs.length).sort((a, b) => a - b);
  const moving = new Set<Node>(parameters);
  const depends = new Map<Node, boolean>();
  for (const x of reachable(outputs, inputs)) depends.set(x, moving.has(x) || x.inputs.some((y) => depends.get(y)));
  const computed = [...new Set(wanted.map((index) => outputs[index]))].filter((x) => depends.get(x) && !moving.has(x));
  const nexts = keptCarries.map((input) => outputs[numberOf.get(input)! - constants]);
  const alone = wanted.map((index) => outputs[index]).filter((x) => !depends.get(x));
  const { body: step, captured } = capture([...nexts, ...computed], parameters);

  const needs = new Set<number>();
  for (const x of parameters) needs.add(numberOf.get(x)!);
  for (const x of reachable([...captured, ...alone], inputs)) if (numberOf.has(x)) needs.add(numberOf.get(x)!);
  for (const index of live) {
    const input =
      index < count ? carries[index] : index >= outputs.length ? carries[index - outputs.length] : undefined;
    if (input && invariants.has(input)) needs.add(numberOf.get(input)!);
  }

  const build = (operands: readonly Node[]) => {
    const ofInput = new Map<Node, Node>();
    for (const [input, { index, row }] of invariants)
      if (needs.has(index)) ofInput.set(input, row ? rowOf(operands[index]) : operands[index]);
    const outside = (list: readonly Node[]) => substituted(list, reachable(list, inputs), new Map(ofInput));
    const before = outside(captured);
    const loop =
      parameters.length === 0
        ? undefined
        : $.scan([...before, ...parameters.map((input) => operands[numberOf.get(input)!])], {
            body: step,
            length,
            reverse,
            constants: captured.length,
            carries: keptCarries.length,
          });
    const historyOf = (input: Node): Node =>
      $.result(loop!, keptCarries.length + computed.length + keptCarries.indexOf(input as Node<'input'>));
    return (index: number): Node => {
      if (index >= count && index < outputs.length) {
        const x = outputs[index];
        if (!depends.get(x)) return everyStep(outside([x])[0], length);
        if (keptRows.includes(x as Node<'input'>)) return operands[numberOf.get(x)!];
        if (moving.has(x)) return historyOf(x);
        return $.result(loop!, keptCarries.length + computed.indexOf(x));
      }
      const input = carries[index < count ? index : index - outputs.length];
      if (!invariants.has(input)) return index < count ? $.result(loop!, keptCarries.indexOf(input)) : historyOf(input);
      const start = operands[numberOf.get(input)!];
      return index < count ? start : everyStep(start, length);
    };
  };
  return { needs, build };
}

/** A graph whose loops do what its outputs need and no more; `simplify` simplifies their bodies. */
export function trimLoops(graph: Graph, simplify: (graph: Graph) => Graph): Graph {
  const order = reachable(graph.outputs, graph.inputs);
  const live = new Set<Node>(graph.outputs);
  const liveResults = new Map<Node, Set<number>>();
  const trimmed = new Map<Node, Trimmed>();
  for (const node of order.toReversed()) {
    if (!live.has(node)) continue;
    if ($.isOp(node, 'result')) {
      const [loop] = node.inputs;
      const list = liveResults.get(loop) ?? new Set();
      liveResults.set(loop, list.add(node.attributes.index));
      live.add(loop);
    } else if ($.isOp(node, 'scan')) {
      const made = trim(node, liveResults.get(node)!, simplify);
      trimmed.set(node, made);
      for (const i of made.needs) live.add(node.inputs[i]);
    } else {
      for (const x of node.inputs) live.add(x);
    }
  }
  const done = new Map<Node, Node>();
  const resultOf = new Map<Node, (index: number) => Node>();
  for (const node of order) {
    if (!live.has(node)) continue;
    const inputs = node.inputs.map((x) => done.get(x) ?? x);
    withOrigin($.originOf(node), () => {
      const made = trimmed.get(node);
      if (made) resultOf.set(node, made.build(inputs));
      else if ($.isOp(node, 'result')) done.set(node, resultOf.get(node.inputs[0])!(node.attributes.index));
      else if (inputs.some((x, i) => x !== node.inputs[i])) done.set(node, $.remake(node, inputs));
    });
  }
  return { inputs: graph.inputs, outputs: graph.outputs.map((node) => done.get(node) ?? node) };
}
