import { invalidArgument, ZerothError } from '../errors.ts';
import { isTensor } from './broadcasting.ts';
import * as $ from './build.ts';
import type { Node } from './node.ts';
import { type MaybeZero, range, withBatch } from './ops/op.ts';
import { sameShape, shapeText } from './ops/shape.ts';
import { Tensor } from './tensor.ts';
import { mapTensors, tensorsOf } from './trace.ts';
import { batched, pullBack, pushForward } from './transforms.ts';
import { currentLocation } from './where.ts';

/**
 * Transforms of functions of tensors. Each returns a function of tensors, so they compose in any order:
 * an HVP is jvp(grad(loss)), K of them at once are vmap of that.
 *
 * A transform calls f on fresh nodes and rewrites what f recorded. Fresh nodes keep it apart from what f merely closes over:
 * in grad(y => mul(x, y))(x), x is a constant.
 */

/** A new name for a value. Simplification removes it. */
const alias = (x: Tensor): Tensor => new Tensor($.reshape(x.node, x.shape));

const nodes = (tensors: readonly Tensor[]): Node[] => tensors.map((x) => x.node);
const orZero = (node: MaybeZero, like: Tensor): Tensor => new Tensor(node ?? $.constant(0, like.shape));

function refuse(transform: string, reason: string): never {
  const where = currentLocation();
  throw new ZerothError('ERR_ZEROTH_TRACE', `${transform}: ${reason}.${where ? ` At ${where}` : ''}`);
}

/** A tree like `tree` whose leaves are `leaves`, in order. */
function refill(tree: unknown, leaves: readonly Tensor[]): unknown {
  let next = 0;
  return mapTensors('argument', tree, () => leaves[next++]);
}

/**
 * The value of a scalar function and its gradient with respect to the first argument (a tensor or a tree of them; all f32).
 *
 * @returns a function (x, ...rest) → [value, gradient], the gradient shaped like x.
 */
export function valueAndGrad<First, Rest extends readonly unknown[]>(
  f: (x: First, ...rest: Rest) => Tensor,
): (x: First, ...rest: Rest) => [value: Tensor, gradient: First] {
  return (x, ...rest) => {
    const fresh = tensorsOf('argument 0', x).map(alias);
    for (const leaf of fresh)
      if (leaf.dtype !== 'f32') refuse('grad', 'integers have no derivative; expected f32 tensors in argument 0');
    const value = f(refill(x, fresh) as First, ...rest);
    if (!isTensor(value) || value.rank !== 0 || value.dtype !== 'f32') {
      refuse(
        'grad',
        `expected a function with one f32 result of shape [], received ${isTensor(value) ? value.dtype + shapeText(value.shape) : typeof value}`,
      );
    }
    const cotangents = pullBack([value.node], nodes(fresh), [$.constant(1)]);
    const gradient = refill(
      x,
      fresh.map((leaf, i) => orZero(cotangents[i], leaf)),
    );
    return [value, gradient as First];
  };
}

/** The gradient of a scalar function with respect to its first argument; a function (x, ...rest) → a tree like x. */
export function grad<First, Rest extends readonly unknown[]>(
  f: (x: First, ...rest: Rest) => Tensor,
): (x: First, ...rest: Rest) => First {
  const both = valueAndGrad(f);
  return (x, ...rest) => both(x, ...rest)[1];
}

/** A tree like T, with `null` for whatever does not move. */
export type Tangent<T> = T extends Tensor ? Tensor | null : { readonly [K in keyof T]: Tangent<T[K]> } | null;

/** Pairs every tensor of `primal` with its tangent. */
function matchTangents(primal: unknown, tangent: unknown, path: string): MaybeZero[] {
  if (tangent === null) return tensorsOf(`primals${path}`, primal).map(() => undefined);
  if (isTensor(primal)) {
    if (
      !isTensor(tangent) ||
      !sameShape(tangent.shape, primal.shape) ||
      tangent.dtype !== 'f32' ||
      primal.dtype !== 'f32'
    ) {
      const received = isTensor(tangent) ? tangent.dtype + shapeText(tangent.shape) : tangent;
      const expected =
        primal.dtype === 'f32'
          ? `an f32 tensor of shape ${shapeText(primal.shape)}, or null`
          : 'null (integers do not move)';
      invalidArgument(`tangents${path}`, expected, received);
    }
    return [tangent.node];
  }
  const keys = Object.keys(primal as object);
  if (typeof tangent !== 'object' || tangent === undefined || Object.keys(tangent).length !== keys.length) {
    invalidArgument(`tangents${path}`, `a tree like the primals, with ${keys.length} entries`, tangent);
  }
  return keys.flatMap((key) =>
    matchTangents(
      (primal as Record<string, unknown>)[key],
      (tangent as Record<string, unknown>)[key],
      path + (Array.isArray(primal) ? `[${key}]` : `.${key}`),
    ),
  );
}

/**
 * Value and directional derivative: (primals, tangents) → [value, tangent], both shaped like f's result.
 *
 * @example
 * const hessianVector = (theta, v) => jvp(grad(loss))([theta], [v])[1];
 */
export function jvp<Arguments extends readonly unknown[], Result>(
  f: (...args: Arguments) => Result,
): (
  primals: Arguments,
  tangents: { readonly [I in keyof Arguments]: Tangent<Arguments[I]> },
) => [value: Result, tangent: Result] {
  return (primals, tangents) => {
    const given = matchTangents(primals, tangents, '');
    const fresh = tensorsOf('primals', primals).map(alias);
    const value = f(...(refill(primals, fresh) as Arguments));
    const results = tensorsOf('result', value);
    const moved = pushForward(nodes(results), nodes(fresh), given);
    const tangent = refill(
      value,
      results.map((leaf, i) => orZero(moved[i], leaf)),
    );
    return [value, tangent as Result];
  };
}

/** Value and transposed derivative: (...args) → [value, pullback], where pullback maps a cotangent like f's result to one like the arguments. */
export function vjp<Arguments extends readonly unknown[], Result>(
  f: (...args: Arguments) => Result,
): (...args: Arguments) => [value: Result, pullback: (cotangent: Tangent<Result>) => Arguments] {
  return (...args) => {
    const fresh = tensorsOf('argument', args).map(alias);
    const value = f(...(refill(args, fresh) as Arguments));
    const results = nodes(tensorsOf('result', value));
    const pullback = (cotangent: Tangent<Result>) => {
      const found = pullBack(results, nodes(fresh), matchTangents(value, cotangent, ''));
      return refill(
        args,
        fresh.map((leaf, i) => orZero(found[i], leaf)),
      ) as Arguments;
    };
    return [value, pullback];
  };
}

/**
 * Runs a function on a whole batch: the result's tensors gain a leading batch axis.
 *
 * @param inAxes for each argument the axis that counts the batch, the same for all tensors of the argument; null: shared by the batch. Default 0 for all.
 */
export function vmap<Arguments extends readonly unknown[], Result>(
  f: (...args: Arguments) => Result,
  inAxes?: readonly (number | null)[],
): (...args: Arguments) => Result {
  return (...args) => {
    if (inAxes !== undefined && inAxes.length !== args.length) {
      refuse('vmap', `expected inAxes for ${args.length} arguments, received ${inAxes.length}`);
    }
    const placeholders: Node[] = [];
    const batches: Node[] = [];
    const inner = args.map((arg, i) => {
      const axis = inAxes === undefined ? 0 : inAxes[i];
      if (axis === null) return arg;
      return mapTensors(`argument ${i}`, arg, ({ node, rank, shape }, path) => {
        if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
          refuse('vmap', `argument ${i}${path} of shape ${shapeText(shape)} has no axis ${axis}`);
        }
        const at = axis < 0 ? axis + rank : axis;
        const others = range(rank).filter((other) => other !== at);
        const placeholder = $.input(
          `argument ${i}${path} of a function under vmap`,
          others.map((other) => shape[other]),
          node.dtype,
        );
        placeholders.push(placeholder);
        batches.push(at === 0 ? node : $.transpose(node, [at, ...others]));
        return new Tensor(placeholder);
      });
    }) as unknown as Arguments;
    if (batches.length === 0) refuse('vmap', 'expected at least one batched tensor');
    const [size] = batches[0].shape;
    if (batches.some((x) => x.shape[0] !== size)) {
      refuse('vmap', `expected one batch size, received ${batches.map((x) => x.shape[0]).join(', ')}`);
    }
    const value = f(...inner);
    const results = batched(nodes(tensorsOf('result', value)), placeholders, batches, size);
    return refill(
      value,
      results.map((result) => new Tensor(withBatch(result.node, result.batched, size))),
    ) as Result;
  };
}
