import { SpaceOperator } from '../curvature/space-operator.ts';
import type { CommandList, DeviceVector } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import { checkInteger } from '../errors.ts';
import { f32Vector, type NumberArray } from '../graph/host-array.ts';
import { DeviceSpace, type DeviceWork, type HeldVector } from './device-space.ts';

/** Vectors that share one evaluation of the primal work, where they and their products take no more than so many bytes. */
const BATCH = 16;
const BATCH_BYTES = 2 ** 28;

/** What has a Hessian: an objective. */
interface Differentiable {
  readonly dimension: number;
  readonly device: Device;
  lossAt(theta: DeviceBuffer, signal?: AbortSignal): Promise<number>;
  /** Products of the full-batch Hessian at theta with `count` vectors that follow one another, to where the first product goes. */
  appendHessianVector(
    list: CommandList,
    theta: DeviceBuffer,
    vectors: DeviceVector,
    products: DeviceVector,
    count: number,
  ): Promise<void>;
}

/**
 * The exact Hessian of an objective at fixed parameters, as products with vectors: jvp(grad(loss)), batched over the vectors and
 * accumulated over micro-batches of examples. What measures it keeps its vectors on the device.
 */
export class HessianOperator extends SpaceOperator<HeldVector> {
  readonly dimension: number;
  /** @internal */
  readonly space: DeviceSpace;
  /** Vectors that are multiplied at a time: 16, or fewer where 32 take more than 256 MiB. */
  readonly batch: number;
  readonly #objective: Differentiable;
  readonly #theta: DeviceBuffer;

  /** @internal Use `Objective.hessian`. Takes ownership of `theta`. */
  constructor(objective: Differentiable, theta: DeviceBuffer) {
    super();
    this.dimension = objective.dimension;
    this.space = new DeviceSpace(objective.device, objective.dimension);
    this.batch = Math.max(1, Math.min(BATCH, Math.floor(BATCH_BYTES / (8 * objective.dimension))));
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
  override async apply(
    vectors: Float32Array | NumberArray,
    count: number,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    checkInteger('count', count, 1);
    const expected = `${count} × ${this.dimension} numbers`;
    const rhs = f32Vector('vectors', vectors, { length: count * this.dimension, expected });
    return super.apply(rhs, count, signal);
  }

  /** @internal */
  async append(work: DeviceWork, from: readonly HeldVector[], to: readonly HeldVector[]): Promise<void> {
    for (let first = 0; first < from.length; first += this.batch) {
      const count = Math.min(this.batch, from.length - first);
      await this.#objective.appendHessianVector(work.list, this.#theta, from[first], to[first], count);
    }
  }

  dispose(): void {
    this.#theta.dispose();
  }
}
