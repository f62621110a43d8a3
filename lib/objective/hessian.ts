import type { LinearOperator } from '../curvature/operator.ts';
import { CommandList } from '../device/commands.ts';
import type { DeviceBuffer } from '../device/device.ts';
import { checkInteger, invalidArgument } from '../errors.ts';
import type { Objective } from './objective.ts';

/** Vectors that share one evaluation of the primal work. */
const BATCH = 16;

/**
 * The exact Hessian of an objective at fixed parameters, as products with vectors: jvp(grad(loss)), batched over the vectors and
 * accumulated over micro-batches of examples.
 */
export class HessianOperator implements LinearOperator {
  readonly dimension: number;
  readonly #objective: Objective;
  readonly #theta: DeviceBuffer;

  /** @internal Use `Objective.hessian`. Takes ownership of `theta`. */
  constructor(objective: Objective, theta: DeviceBuffer) {
    this.dimension = objective.dimension;
    this.#objective = objective;
    this.#theta = theta;
  }

  /** The full-batch loss at the same parameters. */
  loss(signal?: AbortSignal): Promise<number> {
    return this.#objective.lossAt(this.#theta, signal);
  }

  async apply(vectors: Float32Array, count: number, signal?: AbortSignal): Promise<Float32Array> {
    checkInteger('count', count, 1);
    if (!(vectors instanceof Float32Array) || vectors.length !== count * this.dimension)
      invalidArgument('vectors', `a Float32Array of ${count} × ${this.dimension} numbers`, vectors);
    const products = new Float32Array(vectors.length);
    const { device } = this.#objective;
    const rows = Math.min(BATCH, count);
    const input = device.allocate(rows * this.dimension * 4);
    const output = device.allocate(rows * this.dimension * 4);
    try {
      for (let first = 0; first < count; first += rows) {
        const batch = Math.min(rows, count - first);
        const start = first * this.dimension;
        const end = start + batch * this.dimension;
        await input.write(vectors.subarray(start, end));
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
