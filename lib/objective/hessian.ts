import type { LinearOperator } from '../curvature/operator.ts';
import { CommandList } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import { checkInteger } from '../errors.ts';
import { f32Vector, type NumberArray } from '../graph/host-array.ts';

/** Vectors that share one evaluation of the primal work. */
const BATCH = 16;

/** What has a Hessian: an objective. */
interface Differentiable {
  readonly dimension: number;
  readonly device: Device;
  lossAt(theta: DeviceBuffer, signal?: AbortSignal): Promise<number>;
  /** Products of the full-batch Hessian at theta with `count` vectors. */
  appendHessianVector(
    list: CommandList,
    theta: DeviceBuffer,
    vectors: DeviceBuffer,
    products: DeviceBuffer,
    count: number,
  ): Promise<void>;
}

/**
 * The exact Hessian of an objective at fixed parameters, as products with vectors: jvp(grad(loss)), batched over the vectors and
 * accumulated over micro-batches of examples.
 */
export class HessianOperator implements LinearOperator {
  readonly dimension: number;
  readonly #objective: Differentiable;
  readonly #theta: DeviceBuffer;

  /** @internal Use `Objective.hessian`. Takes ownership of `theta`. */
  constructor(objective: Differentiable, theta: DeviceBuffer) {
    this.dimension = objective.dimension;
    this.#objective = objective;
    this.#theta = theta;
  }

  /** The full-batch loss at the same parameters. */
  loss(signal?: AbortSignal): Promise<number> {
    return this.#objective.lossAt(this.#theta, signal);
  }

  /**
   * H V.
   * @param vectors count × d numbers, one vector after the other; a Float32Array must not change until the promise settles.
   * @returns as many products, in the same order.
   */
  async apply(vectors: Float32Array | NumberArray, count: number, signal?: AbortSignal): Promise<Float32Array> {
    checkInteger('count', count, 1);
    const expected = `${count} × ${this.dimension} numbers`;
    const rhs = f32Vector('vectors', vectors, { length: count * this.dimension, expected });
    const products = new Float32Array(rhs.length);
    const { device } = this.#objective;
    const rows = Math.min(BATCH, count);
    const input = device.allocate(rows * this.dimension * 4);
    const output = device.allocate(rows * this.dimension * 4);
    try {
      for (let first = 0; first < count; first += rows) {
        const batch = Math.min(rows, count - first);
        const start = first * this.dimension;
        const end = start + batch * this.dimension;
        await input.write(rhs.subarray(start, end));
        const list = new CommandList();
        await this.#objective.appendHessianVector(list, this.#theta, input, output, batch);
        await device.submit(list, signal);
        products.set(await output.readF32(0, batch * this.dimension), start);
      }
    } finally {
      input.dispose();
      output.dispose();
    }
    return products;
  }

  dispose(): void {
    this.#theta.dispose();
  }
}
