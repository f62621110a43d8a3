import { CommandList } from '../device/commands.ts';
import { counted, type LinearEstimate, type LossCombination } from '../optimizers/linear-estimate.ts';
import type { Estimate, Point, Update } from '../optimizers/optimizer.ts';
import type { Ahead } from '../params/ahead.ts';
import type { Params } from '../params/params.ts';
import { checkPoint } from '../params/update.ts';
import type { Mean, Rows } from './mean.ts';

/** A step as far as it is known before it has measured: all but the losses. */
export interface PlannedStep {
  readonly estimate: LinearEstimate;
  readonly update: Update;
  readonly lr: number;
  /** Its mini-batch; null: all examples. */
  readonly rows: Rows;
}

/** What a planned step measured. */
interface StretchStep {
  readonly planned: PlannedStep;
  readonly losses: Float64Array;
}

/**
 * Steps that were taken in one submission. Who trains goes through them in order, and says of each that it holds (`take`); until then the
 * parameters are those before it, for whoever looks.
 */
export class Stretch {
  readonly #ahead: Ahead;
  readonly #steps: readonly PlannedStep[];
  readonly #losses: (step: number) => Float64Array;
  #at = 0;

  constructor(ahead: Ahead, steps: readonly PlannedStep[], losses: (step: number) => Float64Array) {
    this.#ahead = ahead;
    this.#steps = steps;
    this.#losses = losses;
  }

  /** Whether there is no next step: all were taken, or somebody has come between. */
  get over(): boolean {
    return this.#ahead.over;
  }

  /** Whether all of its steps were taken. */
  get completed(): boolean {
    return this.#at === this.#steps.length;
  }

  /** The next step, which is not yet taken. @throws ERR_ZEROTH_DATA for weights of its examples that add up to nothing. */
  next(): StretchStep {
    return { planned: this.#steps[this.#at], losses: this.#losses(this.#at) };
  }

  /** The next step holds. */
  take(estimate: Estimate & { readonly kind: 'directions' }): void {
    const { update, lr } = this.#steps[this.#at];
    this.#ahead.took({ update, terms: estimate.terms, lr });
    this.#at += 1;
  }
}

/**
 * Takes steps in one submission: perturbs, evaluates, combines losses to coefficients in slots, and updates from them, all on the device.
 * The numbers are those of as many single steps, to the bit.
 */
export async function takeStretch(mean: Mean, params: Params, steps: readonly PlannedStep[]): Promise<Stretch> {
  const width = mean.slotsOfLoss;
  // The first slot of each step: its losses, their quotients where they have weights, its coefficients.
  let total = 0;
  const firsts = steps.map(({ estimate: { points, terms } }) => {
    const first = total;
    total += points.length * (2 * width - 1) + terms.length;
    return first;
  });
  const allPieces = await Promise.all(steps.map(({ rows }) => mean.pieces('loss', rows?.length)));

  const list = new CommandList(total);
  const ahead = params.beginAhead();
  for (const [s, { estimate, update, lr, rows }] of steps.entries()) {
    const { points, terms } = estimate;
    points.forEach(checkPoint);
    const data = mean.data.select(list, rows);
    const first = firsts[s];
    for (const [i, pair] of pairs(points).entries()) {
      const vectors = ahead.pass(list, pair);
      for (const [j, theta] of vectors.entries())
        mean.addLoss(list, allPieces[s], theta, data, first + (2 * i + j) * width);
    }
    // A weighted loss is a quotient of its two slots.
    const quotients = first + points.length * width;
    if (width === 2)
      points.forEach((_, i) => {
        list.combine(quotients + i, [{ weight: 1, slot: first + 2 * i }], 1, first + 2 * i + 1);
      });
    const lossSlot = width === 2 ? quotients : first;
    const coefficients = first + points.length * (2 * width - 1);
    for (const [i, { coefficient }] of terms.entries()) addCombination(list, coefficients + i, coefficient, lossSlot);
    const factor = update.kind === 'plain' ? -lr : 1;
    const fed = terms.map(({ direction }, i) => ({ direction, coefficient: factor, slot: coefficients + i }));
    ahead.plan({ update, terms: fed, lr });
  }
  // Where it fails, whoever comes next finds the parameters where it began.
  const slots = await params.device.submit(list);
  const lossesOf = (s: number) =>
    mean.lossesIn(slots.subarray(firsts[s], firsts[s] + steps[s].estimate.points.length * width), steps[s].rows);
  return new Stretch(ahead, steps, lossesOf);
}

function addCombination(list: CommandList, out: number, combination: LossCombination, losses: number): void {
  const terms = counted(combination).map(({ weight, i }) => ({ weight, slot: losses + i }));
  list.combine(out, terms, combination.divisor);
}

/** Two at a time share a pass. */
function pairs(points: readonly Point[]): (readonly [Point] | readonly [Point, Point])[] {
  const all: (readonly [Point] | readonly [Point, Point])[] = [];
  for (let i = 0; i < points.length; i += 2) all.push(i + 1 < points.length ? [points[i], points[i + 1]] : [points[i]]);
  return all;
}
