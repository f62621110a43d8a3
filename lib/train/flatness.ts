import { CommandList } from '../device/commands.ts';
import type { DeviceBuffer } from '../device/device.ts';
import { MAX_F32 } from '../errors.ts';
import type { Objective } from '../objective/objective.ts';
import type { Estimator } from '../optimizers/optimizer.ts';
import type { Direction } from '../random/direction.ts';
import type { WarningEvent } from './events.ts';
import { unlessOutOfMemory } from './trouble.ts';
import { brief } from './words.ts';

/** Elements that are read at a time. */
const CHUNK = 1 << 20;

/** Factor between the displacements that are tried. */
const LONGER = 16;

/** A loss in f32 is not known better than this, relative to itself. */
const RESOLUTION = 2 ** -23;

type Cause = Pick<WarningEvent, 'code' | 'message'>;

/** The last step that was taken, as far as its estimate is to be asked about. */
export interface LastStep {
  /** Of no terms at all: `none`. */
  readonly kind: 'directions' | 'dense' | 'none';
  /** That of the first term, or any for a gradient. */
  readonly direction: Direction;
}

/**
 * Why estimates are exactly 0. @param batch whether a step sees only some of the examples. @returns undefined where nothing is wrong.
 * @throws ERR_ZEROTH_ABORTED
 */
export async function whyStill(
  objective: Objective,
  { name, mu }: Estimator,
  { kind, direction }: LastStep,
  batch: boolean,
  signal?: AbortSignal,
): Promise<Cause | undefined> {
  const what = `The estimates of ${name} are exactly 0, and nothing moves the parameters`;
  const asked = kind === 'directions' && mu !== undefined ? mu : undefined;
  if (kind !== 'dense' && asked === undefined) {
    return { code: 'estimate-zero', message: `${what}; what it evaluates, and so the cause, is not known.` };
  }
  const answer = await unlessOutOfMemory(async () => ({
    cause:
      asked === undefined
        ? await whyNoGradient(objective, direction, signal)
        : await whyFlat(objective, direction, asked, batch, signal),
  }));
  const unasked: Cause = { code: 'estimate-zero', message: `${what}; there is no memory to find out why.` };
  return answer ? answer.cause : unasked;
}

/**
 * Why L(θ + μz) and L(θ − μz) are the same number, told apart by what the loss does at θ, at θ ± μz, and at longer and longer displacements along
 * the same z, until they exceed the weights. Everything happens on copies.
 *
 * @param mu the displacement that showed nothing. @param batch whether a step sees only some of the examples.
 * @returns undefined where nothing is wrong: at these parameters, over all examples, the two losses differ.
 */
export async function whyFlat(
  objective: Objective,
  direction: Direction,
  mu: number,
  batch: boolean,
  signal?: AbortSignal,
): Promise<Cause | undefined> {
  return withLine({ objective, direction, signal }, (along) => noDifference(along, mu, batch));
}

async function noDifference(along: Line, mu: number, batch: boolean): Promise<Cause | undefined> {
  const at = `θ ± μu (μ = ${brief(mu)})`;
  const [plus, minus] = [await along.loss(mu), await along.loss(-mu)];
  const here = await along.loss(0);
  if (plus !== minus) {
    if (!batch) return undefined;
    return {
      code: 'batch-flat',
      message: `The loss of the mini-batches is the same at ${at}, that of all examples is not: the examples drawn do not see the parameters. Use larger batches, or look at the loss.`,
    };
  }
  if (plus !== here) {
    return {
      code: 'loss-stationary',
      message: `The loss is the same at ${at} and another at θ: it is symmetric about θ, as at a minimum, and no step changes anything.`,
    };
  }
  const seen = await firstChange(along, mu, here);
  if (seen === undefined) {
    return {
      code: 'loss-flat',
      message: `The loss is ${brief(here)} whatever the parameters, at displacements of up to ${brief(along.reach)} along a random direction: it does not depend on them. Look at the loss: constants, comparisons, rounding, a mask of zeros.`,
    };
  }
  const moved = await along.moved(mu);
  if (moved < 0.5) {
    return {
      code: 'mu-lost',
      message: `μ = ${brief(mu)} is below the spacing of f32 at these parameters (2⁻²⁴ of a weight): ${percent(1 - moved)} of them do not change at θ + μu, and the loss is the same to its last bit; it differs at displacements of ${brief(seen.displacement)}. Use a larger μ, or smaller weights.`,
    };
  }
  // To first order in the displacement, at most: what the loss should have changed by at μ.
  const expected = (Math.abs(seen.change) * mu) / seen.displacement;
  const differs = `it differs, by ${brief(seen.change)}, at displacements of ${brief(seen.displacement)}`;
  return expected < RESOLUTION * Math.abs(here)
    ? {
        code: 'loss-unresolved',
        message: `The differences of the loss at ${at} are below its resolution: ${brief(here)} is known to about ${brief(RESOLUTION * Math.abs(here))} in f32; ${differs}. Use a larger μ, or take constants out of the loss.`,
      }
    : {
        code: 'loss-plateau',
        message: `The loss has the same value at θ and ${at}, and ${differs}: it is constant around θ. Use a larger μ, or a loss without plateaus.`,
      };
}

/** Why a gradient is exactly 0, told apart by what the loss does at longer and longer displacements along z. */
function whyNoGradient(objective: Objective, direction: Direction, signal?: AbortSignal): Promise<Cause> {
  return withLine({ objective, direction, signal }, noGradient);
}

async function noGradient(along: Line): Promise<Cause> {
  const here = await along.loss(0);
  if ((await firstChange(along, along.reach / LONGER ** 8, here)) === undefined) {
    return {
      code: 'loss-flat',
      message: `The gradient is exactly 0, and the loss is ${brief(here)} whatever the parameters, at displacements of up to ${brief(along.reach)} along a random direction: it does not depend on them.`,
    };
  }
  return {
    code: 'gradient-zero',
    message:
      'The gradient is exactly 0 although the loss depends on the parameters: they are at a stationary point (a minimum, a saddle, units that are all off), or the gradient underflows in f32.',
  };
}

/** The shortest displacement along ±z, from `start` on, at which the loss is another. */
async function firstChange(along: Line, start: number, here: number) {
  for (let displacement = start; displacement <= along.reach; displacement *= LONGER) {
    for (const signed of [displacement, -displacement]) {
      const loss = await along.loss(signed);
      // Beyond where it is defined, a loss says nothing of what it does around θ.
      if (loss !== here && Number.isFinite(loss)) return { displacement, change: loss - here };
    }
  }
  return undefined;
}

interface Place {
  readonly objective: Objective;
  readonly direction: Direction;
  readonly signal?: AbortSignal;
}

async function withLine<T>(place: Place, use: (line: Line) => Promise<T>): Promise<T> {
  const { params, device } = place.objective;
  const { theta } = await params.measure();
  const from = await params.snapshot();
  const to = device.allocate(from.byteLength);
  try {
    return await use(new Line(place, from, to, Math.sqrt(theta.squares / params.length)));
  } finally {
    from.dispose();
    to.dispose();
  }
}

/** θ + s z for any s. */
class Line {
  /** Displacements of this size are far longer than the weights. */
  readonly reach: number;
  readonly #place: Place;
  readonly #from: DeviceBuffer;
  readonly #to: DeviceBuffer;

  constructor(place: Place, from: DeviceBuffer, to: DeviceBuffer, size: number) {
    this.#place = place;
    this.#from = from;
    this.#to = to;
    this.reach = Math.min(LONGER ** 3 * Math.max(1, size), MAX_F32 / LONGER);
  }

  /** L(θ + s z), over all examples. */
  async loss(displacement: number): Promise<number> {
    const { objective, direction, signal } = this.#place;
    const ops = displacement === 0 ? [] : [{ kind: 'add' as const, terms: [{ direction, coefficient: displacement }] }];
    await objective.device.submit(new CommandList().pass(this.#from, this.#to, objective.dimension, ops), signal);
    return objective.lossAt(this.#to, signal);
  }

  /** The share of parameters, of those that z is to move, that are other numbers at θ + s z. */
  async moved(displacement: number): Promise<number> {
    await this.loss(displacement);
    const { objective, direction } = this.#place;
    const { dimension } = objective;
    let moved = 0;
    for (let first = 0; first < dimension; first += CHUNK) {
      const count = Math.min(CHUNK, dimension - first);
      const [before, after] = [await this.#from.readF32(first, count), await this.#to.readF32(first, count)];
      for (let i = 0; i < count; i++) if (before[i] !== after[i]) moved += 1;
    }
    return moved / (direction.space?.dimension ?? dimension);
  }
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
