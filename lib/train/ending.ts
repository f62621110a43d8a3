import type { EdgeVerdict } from '../stability/edge.ts';
import { isFullBatch } from './batch.ts';
import type { EndEvent, MonitorEvent, WarningEvent } from './events.ts';
import type { Trouble } from './trouble.ts';
import { brief, orList, stepsText } from './words.ts';

/** What is worth remembering of the last measurement of curvature. */
export interface LastMeasured {
  readonly step: number;
  readonly lr: number;
  /** What has a limit: λmax for exact gradients, else the trace of the Hessian's positive part. */
  readonly quantity: 'λmax' | 'trace';
  readonly value: number;
  /** Curvature ÷ its own limit, or the least that it can be: 1 is the edge. Null where the estimator's moments, and so the limit, are not known. */
  readonly ratio: number | null;
  /** The greatest that it can be; null where nothing bounds it. */
  readonly ratioMax: number | null;
  readonly verdict: EdgeVerdict;
  /** ‖θ‖² then, and what noise had added to it. */
  readonly squaredNorm: number;
  readonly diffusion: number | null;
}

export function lastMeasured(event: MonitorEvent): LastMeasured {
  const { step, lr, governs, trace, negativeTrace, lambdaMax, verdict, squaredNorm, diffusion } = event;
  const [quantity, value] =
    governs === 'lambdaMax' ? (['λmax', lambdaMax] as const) : (['trace', trace + negativeTrace] as const);
  const ratio = governs === null ? null : event.ratio;
  const most = event.ratioMax ?? event.ratio;
  const ratioMax = Number.isFinite(most) ? most : null;
  return { step, lr, quantity, value, ratio, ratioMax, verdict, squaredNorm, diffusion };
}

/** What a run has to say of itself at its end. */
export interface RunFacts {
  readonly step: number;
  readonly steps: number;
  /** Whether the run has a folder with a checkpoint. */
  readonly kept: boolean;
  readonly trouble: Trouble | undefined;
  readonly warnings: readonly WarningEvent[];
  /** Loss of the last step, where it lies far above the first ones; `usual` is their median, or the first. */
  readonly risen: { readonly loss: number; readonly usual: number } | undefined;
  readonly measured: LastMeasured | undefined;
  readonly batch: number | 'full';
  readonly examples: number;
  /** ‖θ‖² at the start and last, and what noise has added. */
  readonly growth: { readonly start: number; readonly now: number; readonly diffusion: number | null };
  /** Whether the parameters are known to have changed. */
  readonly moved: boolean;
}

/** How a run ended, for a person; for a diverged one what was seen, and what may help. */
export function endMessage(reason: EndEvent['reason'], run: RunFacts): string {
  const sentences =
    reason === 'diverged' && run.trouble
      ? [run.trouble.text, ...advice(run, run.trouble), run.kept ? 'The last finite checkpoint is kept.' : '']
      : [outcome(reason, run), ...standing(run).map((warning) => `Warning: ${latest(warning, run)}`)];
  return sentences.filter(Boolean).join(' ');
}

/** Warnings that still hold: parameters that stood still at first may have moved since. */
const standing = ({ warnings, moved }: RunFacts): readonly WarningEvent[] =>
  warnings.filter(({ code }) => code !== 'parameters-stuck' || !moved);

/** What a warning says by now. */
const latest = ({ code, message }: WarningEvent, run: RunFacts): string =>
  (code === 'weights-diffuse' && grown(run)) || message;

function outcome(reason: EndEvent['reason'], { step, steps, kept, risen }: RunFacts): string {
  if (reason === 'aborted') return `Stopped after ${step} of ${stepsText(steps)}${kept ? '; resume to go on' : ''}.`;
  const above = risen ? `, with a loss of ${brief(risen.loss)}, far above its first ones (${brief(risen.usual)})` : '';
  return `Completed ${stepsText(step)}${above}.`;
}

function advice(run: RunFacts, { cause, lies }: Trouble): string[] {
  switch (lies) {
    case 'in the start':
      return ['No step had been taken: look at the loss, its data and the initial parameters.'];
    case 'in μ':
      return ['No step had been taken: use a smaller μ, or look at where the loss is defined.'];
    case 'in the derivative':
      return [
        'The derivative of the loss is not defined there, or overflows f32 (a root at 0, a division by 0, a constant that is too large): look at the loss; a smaller η does not mend that.',
      ];
    case 'in the scale':
      return ['Numbers of this size leave f32: scale the loss or its data down; a smaller η does not mend that.'];
    case 'in the arithmetic':
      return [
        'NaN is 0 / 0, the root of a negative number, or ∞ − ∞: look at the formula of the estimator or the rule, and at numbers that leave f32; a smaller η does not mend that.',
      ];
    case 'in the dynamics': {
      const seen = [curvature(run), noisier(run), grown(run)];
      const option =
        cause === 'loss-rose' ? 'Where that is no divergence, raise divergenceLimit or set it to off.' : '';
      return [...seen, remedies(run), option];
    }
  }
}

function curvature({ measured }: RunFacts): string {
  if (!measured) return 'The curvature was not measured.';
  const { step, quantity, value, ratio, ratioMax, verdict, lr } = measured;
  const seen = `At step ${step}, when it was last measured, ${quantity === 'trace' ? 'the trace' : quantity} was ${brief(value)}`;
  if (ratio === null) return `${seen}; what the noise of this estimator allows is not known.`;
  const known = verdict === 'undecided' ? '' : ` (${verdict === 'close' ? 'close to' : verdict} the edge of stability)`;
  return `${seen}, ${share(ratio, ratioMax)} its limit at η = ${brief(lr)}${known}.`;
}

/** The share of its limit that a curvature takes up, to stand before what it is one of. */
function share(least: number, most: number | null): string {
  if (most === null) return `at least ${brief(least)} times`;
  if (most > least) return `${brief(least)} to ${brief(most)} times`;
  return least < 10 ? `${Math.round(100 * least)} % of` : `${brief(least)} times`;
}

function noisier({ batch, examples }: RunFacts): string {
  if (isFullBatch(batch, examples)) return '';
  return `Each step saw ${batch} of ${examples} examples, which adds noise of its own.`;
}

/** How ‖θ‖² has grown: up to the last measurement where the run has run away since, for what a runaway leaves says nothing. */
function growthOf({ growth, measured, trouble }: RunFacts): RunFacts['growth'] {
  if (!trouble || !measured) return growth;
  return { start: growth.start, now: measured.squaredNorm, diffusion: measured.diffusion };
}

function grown(run: RunFacts): string {
  const { start, now, diffusion } = growthOf(run);
  if (!Number.isFinite(now) || !(now > 1.1 * start)) return '';
  const until = run.trouble && run.measured ? 'had grown' : 'has grown';
  const noise =
    diffusion === null
      ? 'what noise has added to it is not known for this optimizer'
      : `the noise of the steps alone adds ${brief(diffusion)}`;
  return `‖θ‖² ${until} from ${brief(start)} to ${brief(now)}; ${noise}.`;
}

function remedies(run: RunFacts): string {
  const { start, now, diffusion } = growthOf(run);
  const minibatch = !isFullBatch(run.batch, run.examples);
  const diffuses = diffusion !== null && diffusion > 0 && now > 1.1 * start && diffusion >= (now - start) / 2;
  const ways = ['a smaller η'];
  if (minibatch) ways.push('a larger batch');
  if (diffuses) ways.push(...AGAINST_NOISE);
  // Far below the limit, as far as was measured: η may be innocent.
  const doubt = (run.measured?.ratioMax ?? 1) < 0.5 && !minibatch && !diffuses;
  return doubt
    ? 'That was far from the edge of stability: measure more often (monitorEvery), and look at the loss and its data, before trying a smaller η.'
    : `What may help: ${orList(ways)}.`;
}

/** What slows the diffusion of weights down, beside η. */
export const AGAINST_NOISE: readonly string[] = [
  "fewer trained parameters (narrower layers, or some of the weights among the problem's constants)",
  'the mean of several queries a step (queries)',
  'weight decay (weightDecay)',
];
