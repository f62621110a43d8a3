import { CommandList } from '../device/commands.ts';
import type { Device, DeviceBuffer } from '../device/device.ts';
import { invalidArgument, ZerothError } from '../errors.ts';
import type { Point } from '../optimizers/optimizer.ts';
import { type HeldPoint, isHeld, type Oracle, type StepOracle } from '../optimizers/oracle.ts';
import type { DeviceGradient, Params } from '../params/params.ts';
import { checkPoint } from '../params/update.ts';
import { checkDirection, checkSpaceOf, type Direction } from '../random/direction.ts';
import type { Mean, Rows } from './mean.ts';

/** Elements of a displacement that are made at a time where its norm is asked. */
const CHUNK = 2 ** 20;

/** The oracle of an objective: its gradients are vectors on its device. */
export interface ObjectiveOracle extends Oracle {
  gradient(signal?: AbortSignal): Promise<{ loss: number; gradient: DeviceGradient }>;
}

/** Answers what oracles are asked, of chosen examples or of all. */
export class Oracles {
  readonly #device: Device;
  readonly #params: Params;
  readonly #mean: Mean;
  /** Made by the first who asks. */
  #gradient: DeviceBuffer | undefined;
  #tangent: DeviceBuffer | undefined;
  #chunk: DeviceBuffer | undefined;

  constructor(device: Device, params: Params, mean: Mean) {
    this.#device = device;
    this.#params = params;
    this.#mean = mean;
  }

  /** @param dimension of the directions. @param exact whether displaced parameters go into a copy even where steps displace in place. */
  of(rows: Rows, exact: boolean, dimension = this.#params.length): ObjectiveOracle {
    return {
      dimension,
      losses: (points, signal) => this.#losses(points, rows, exact, signal),
      norms: (displacements, signal) => this.#norms(displacements, signal),
      derivatives: (directions, signal) => this.#derivatives(directions, rows, signal),
      gradient: (signal) => this.#lossAndGradient(rows, signal),
    };
  }

  /** What a step of a run may ask: displaced in place where `displacement` says so. */
  ofStep(rows: Rows, dimension?: number): StepOracle {
    const oracle = this.of(rows, false, dimension);
    const all = rows ? this.of(null, false, dimension) : oracle;
    return { ...oracle, all, hold: (name) => this.#hold(name) };
  }

  dispose(): void {
    for (const buffer of [this.#gradient, this.#tangent, this.#chunk]) buffer?.dispose();
  }

  async #losses(
    points: readonly (Point | HeldPoint)[],
    rows: Rows,
    exact: boolean,
    signal?: AbortSignal,
  ): Promise<Float64Array> {
    if (!Array.isArray(points))
      invalidArgument('points', 'an array of points, each an array of { direction, coefficient }', points);
    const params = this.#params;
    for (const point of points) {
      checkPoint(isHeld(point) ? point.terms : point);
      params.checkReachable(point, !exact && !params.copy);
    }
    const pieces = await this.#mean.pieces('loss', rows?.length);
    refuseAborted(signal);
    const list = this.#mean.lossList(points.length);
    const data = this.#mean.data.select(list, rows);
    const lent = exact && !params.copy ? this.#device.allocate(params.theta.byteLength) : null;
    const copy = params.copy ?? lent;
    let slots: Promise<Float64Array>;
    try {
      for (const [i, point] of points.entries()) {
        const theta = isHeld(point)
          ? params.displaceHeld(list, point.at, point.terms)
          : copy
            ? params.displace(list, point, copy)
            : params.moveTo(list, point);
        this.#mean.addLoss(list, pieces, theta, data, i * this.#mean.slotsOfLoss);
      }
      slots = this.#device.submit(list, signal);
    } finally {
      // Freed once the work that was submitted is done.
      lent?.dispose();
    }
    return this.#mean.lossesIn(await slots, rows);
  }

  async #norms(displacements: readonly Point[], signal?: AbortSignal): Promise<Float64Array> {
    const { length } = this.#params;
    if (!Array.isArray(displacements))
      invalidArgument('displacements', 'an array of arrays of { direction, coefficient }', displacements);
    for (const terms of displacements) {
      checkPoint(terms);
      for (const { direction } of terms) checkSpaceOf(direction, length);
    }
    refuseAborted(signal);
    // A sum, and what is added to it.
    const bytes = Math.min(CHUNK, length) * 4;
    this.#chunk ??= this.#device.allocate(2 * bytes);
    const buffer = this.#chunk;
    const [sum, next] = [0, bytes].map((byteOffset) => ({ buffer, byteOffset }));
    const list = new CommandList(2 * displacements.length);
    for (const [i, terms] of displacements.entries()) {
      for (let first = 0; first < length && terms.length > 0; first += CHUNK) {
        const count = Math.min(CHUNK, length - first);
        for (const [k, { direction: given, coefficient }] of terms.entries()) {
          const direction = given.space ? { ...given, space: given.space.unscaled } : given;
          list.fill(buffer, k === 0 ? 0 : bytes, direction, first, count, coefficient);
          const outputs = [{ to: sum, coefficients: [{ factor: 1 }, { factor: 1 }] }];
          if (k > 0) list.linear({ count, of: [sum, next], outputs, with: [] }, 0);
        }
        list.sums(buffer, 0, count, 2 * i);
      }
    }
    const sums = await this.#device.submit(list, signal);
    return Float64Array.from(displacements, (_, i) => Math.sqrt(sums[2 * i + 1]));
  }

  async #derivatives(
    directions: readonly Direction[],
    rows: Rows,
    signal?: AbortSignal,
  ): Promise<{ loss: number; derivatives: Float64Array }> {
    checkDirections(directions, this.#params.length);
    if (directions.length === 0) invalidArgument('directions', 'at least one', directions);
    const pieces = await this.#mean.pieces('derivative', rows?.length);
    refuseAborted(signal);
    const { theta, length } = this.#params;
    this.#tangent ??= this.#device.allocate(length * 4);
    const list = this.#mean.derivativeList(directions.length);
    const data = this.#mean.data.select(list, rows);
    this.#params.moveTo(list, []);
    for (const [i, direction] of directions.entries()) {
      list.fill(this.#tangent, 0, direction, 0, length);
      this.#mean.addDerivative(list, pieces, theta, data, this.#tangent, i);
    }
    return this.#mean.derivativesIn(await this.#device.submit(list, signal), rows);
  }

  async #lossAndGradient(rows: Rows, signal?: AbortSignal): Promise<{ loss: number; gradient: DeviceGradient }> {
    const { theta, length } = this.#params;
    const pieces = await this.#mean.pieces('gradient', rows?.length);
    const scale = await this.#mean.scale(theta, rows, signal);
    refuseAborted(signal);
    this.#gradient ??= this.#device.allocate(length * 4);
    const gradient = this.#gradient;
    const list = new CommandList(3);
    const data = this.#mean.data.select(list, rows);
    this.#params.moveTo(list, []);
    this.#mean.call(list, pieces, theta, data, (share, i) => [
      { mode: 'addToSlot', slot: 0, weight: scale ?? share },
      ...this.#mean.vectorOutputs(gradient, scale ?? share, i),
    ]);
    list.sums(gradient, 0, length, 1);
    const [loss, , squaredNorm] = await this.#device.submit(list, signal);
    return { loss, gradient: { byteLength: gradient.byteLength, squaredNorm, buffer: gradient } };
  }

  async #hold(name: string): Promise<void> {
    const list = new CommandList();
    this.#params.hold(list, name);
    await this.#device.submit(list);
  }
}

function checkDirections(directions: readonly Direction[], length: number): void {
  if (!Array.isArray(directions)) invalidArgument('directions', 'an array of directions', directions);
  for (const direction of directions) {
    checkDirection(direction);
    checkSpaceOf(direction, length);
  }
}

/** Before anything is changed: an evaluation that will not take place moves no parameters. */
function refuseAborted(signal?: AbortSignal): void {
  if (signal?.aborted)
    throw new ZerothError('ERR_ZEROTH_ABORTED', 'The operation was aborted.', { cause: signal.reason });
}
