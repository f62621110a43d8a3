import * as $ from '../build.ts';
import { type Node, type Shape, sizeOf } from '../node.ts';
import { type Op, range, withBatch } from './op.ts';

const batchOf = (x: Node): Shape => x.shape.slice(0, -2);
const matrixOf = (x: Node): Shape => x.shape.slice(-2);

/** [...batch, rows, columns] → [batch · rows, columns]: moves no memory. */
const stacked = (x: Node): Node =>
  x.shape.length === 2 ? x : $.reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);

/** Sums the batch away where the operand was shared by it. */
function toOperand(cotangent: Node, operand: Node): Node {
  return $.sum(cotangent, range(cotangent.shape.length - operand.shape.length));
}

/** With op(·) the transposition by flag and Y = op(A) op(B): ∂A = G op(B)ᵀ and ∂B = op(A)ᵀ G, transposed where the operand is. */
export const matmul: Op<'matmul'> = {
  jvp: ({ inputs: [a, b], attributes: { transposeA, transposeB } }, [ta, tb]) => {
    const left = ta && $.matmul(ta, b, transposeA, transposeB);
    const right = tb && $.matmul(a, tb, transposeA, transposeB);
    return left && right ? $.add(left, right) : (left ?? right);
  },
  vjp: ({ inputs: [a, b], attributes: { transposeA, transposeB } }, g, [wantA, wantB]) => {
    const cotangentA = () => (transposeA ? $.matmul(b, g, transposeB, true) : $.matmul(g, b, false, !transposeB));
    const cotangentB = () => {
      // A shared B of a stacked A is one long contraction over batch and rows, not a sum of products.
      const [left, right] = b.shape.length === 2 && !transposeA ? [stacked(a), stacked(g)] : [a, g];
      return transposeB ? $.matmul(right, left, true, transposeA) : $.matmul(left, right, !transposeA, false);
    };
    return [wantA ? toOperand(cotangentA(), a) : undefined, wantB ? toOperand(cotangentB(), b) : undefined];
  },
  batch: (y, [a, b], [batchedA, batchedB], size) => {
    const { transposeA, transposeB } = y.attributes;
    const [a0, b0] = y.inputs;
    // Rows of all problems × one shared matrix: a single product.
    if (!batchedB && b0.shape.length === 2 && !transposeA) {
      return $.reshape($.matmul(stacked(a), b, false, transposeB), [size, ...y.shape]);
    }
    // One operand is shared by everything, or both carry the same batch already.
    const shared = (!batchedA && a0.shape.length === 2) || (!batchedB && b0.shape.length === 2);
    const even = batchedA && batchedB && a0.shape.length === b0.shape.length;
    if (shared || even) return $.matmul(a, b, transposeA, transposeB);
    const full = (x: Node, x0: Node, batched: boolean): Node => {
      const whole = withBatch(x, batched, size);
      const batch = [size, ...batchOf(y)];
      const axes = [0, ...range(x0.shape.length).map((axis) => axis + y.shape.length - x0.shape.length + 1)];
      return $.broadcast(whole, [...batch, ...matrixOf(x)], axes);
    };
    return $.matmul(full(a, a0, batchedA), full(b, b0, batchedB), transposeA, transposeB);
  },
  reference: (y, [a, b]) => {
    const { transposeA, transposeB } = y.attributes;
    const [m, n] = y.shape.slice(-2);
    const k = y.inputs[0].shape.at(transposeA ? -2 : -1)!;
    const [rowA, columnA] = transposeA ? [1, m] : [k, 1];
    const [rowB, columnB] = transposeB ? [1, k] : [n, 1];
    const [stepA, stepB] = y.inputs.map((x) => (x.shape.length > 2 ? sizeOf(matrixOf(x)) : 0));
    const result = new Float64Array(sizeOf(y.shape));
    for (let index = 0; index < result.length; index++) {
      const batch = Math.floor(index / (m * n));
      const fromA = batch * stepA + (Math.floor(index / n) % m) * rowA;
      const fromB = batch * stepB + (index % n) * columnB;
      for (let i = 0; i < k; i++) result[index] += a[fromA + i * columnA] * b[fromB + i * rowB];
    }
    return result;
  },
};

export const contractionOps = { matmul };
