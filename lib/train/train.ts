import { invalidArgument, ZerothError } from '../errors.ts';
import { Objective } from '../objective/objective.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import { checkOptimizer } from '../optimizers/parts.ts';
import type { TrainEvent } from './events.ts';
import { runSettings, type TrainOptions } from './options.ts';
import { Run } from './run.ts';
import { Training } from './training.ts';

/**
 * Trains. What it returns is looped over or awaited, and does nothing before that:
 *
 *     for await (const event of train(objective, optimizer, { steps })) …       every event as it comes
 *     const end = await train(objective, optimizer, { steps })                  the last one
 *
 * Leaving the loop stops the run where it is, without a last checkpoint; `signal` ends it with one. See `Training` for doing both at once.
 *
 * Deterministic: the same seed, run number, device and number of threads give the same bits, whoever watches and however often.
 *
 * @param objective the compiled loss and its parameters; they are left at the last step's.
 * @param optimizer for example `zoGD({ lr: 0.05 })`.
 * @throws to whoever loops or awaits: ERR_ZEROTH_ARGUMENT for bad options; ERR_ZEROTH_FILE when `out` holds a run or cannot be written;
 *   ERR_ZEROTH_CHECKPOINT when a resume does not fit, ERR_ZEROTH_SAFETENSORS or ERR_ZEROTH_LOG when what it reads is damaged;
 *   ERR_ZEROTH_STEP_SIZE for a learning rate that remembers.
 * @example
 * for await (const event of train(objective, zoGD({ lr: 0.05 }), { steps: 1000, monitorEvery: 250 })) {
 *   if (event.type === 'monitor') console.log(event.step, event.ratio, event.verdict);
 * }
 */
export function train<P extends string, D extends string, C extends string>(
  objective: Objective<P, D, C>,
  optimizer: Optimizer,
  options: TrainOptions<NoInfer<P>, NoInfer<D>, NoInfer<C>>,
): Training {
  return new Training(eventsOf(objective, optimizer, options as TrainOptions));
}

async function* eventsOf(
  objective: Objective,
  optimizer: Optimizer,
  options: TrainOptions,
): AsyncGenerator<TrainEvent, void> {
  checkArguments(objective, optimizer);
  const run = new Run(objective, optimizer, runSettings(options, objective.examples));
  if (training.has(objective)) {
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      'objective: expected one that no run is training now, received one in use: two runs would move the same parameters. ' +
        'End the other run (break out of its loop, or call its return()), or compile the problem once more.',
    );
  }
  training.add(objective);
  try {
    yield* run.events();
  } finally {
    training.delete(objective);
    run.close();
  }
}

/** Objectives with a run under way. */
const training = new WeakSet<Objective>();

function checkArguments(objective: Objective, optimizer: Optimizer): void {
  if (!(objective instanceof Objective)) invalidArgument('objective', 'what compile() returned', objective);
  checkOptimizer(optimizer);
}
