import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { shown, ZerothError } from '../errors.ts';
import { vectorsOf } from '../optimizers/estimator-state.ts';
import type { Json } from '../optimizers/json.ts';
import type { Optimizer } from '../optimizers/optimizer.ts';
import type { CurvatureReading } from '../optimizers/step-size.ts';
import type { Params, VectorPiece } from '../params/params.ts';
import { openSafetensors } from '../params/safetensors/read.ts';
import { removeLeftovers } from '../params/safetensors/replace-file.ts';
import { saveSafetensors } from '../params/safetensors/write.ts';
import { namedTensors, vectorSource } from '../params/weights.ts';
import { checkedIdentity, differences, type Identity } from './identity.ts';
import { isRecord, recordOf } from './record.ts';
import type { StoredStepSize } from './step-sizer.ts';
import { checkedWatchState, type WatchState } from './watch-state.ts';

/**
 * Two files, each replaced atomically:
 * - `checkpoint.safetensors`: the named weights as of the checkpoint, for any tool that reads safetensors;
 * - `state.safetensors`: what a resume needs and nothing else needs to understand: θ, the update rule's state and what the estimator holds as vectors, and
 *   the step. It is the authority; a kill between the two writes leaves both valid.
 */
const WEIGHTS_FILE = 'checkpoint.safetensors';
const STATE_FILE = 'state.safetensors';

const FORMAT = '5';

export interface Checkpoint {
  readonly step: number;
  /** What must be equal for a resumed run to continue the same trajectory. */
  readonly identity: Identity;
  /** Loss of the last step so far; absent where there was none, or none that is finite. */
  readonly lastLoss?: number;
  readonly stepSize: StoredStepSize;
  /** The estimator's state; null where it keeps none. */
  readonly estimator: Json;
  readonly watch: WatchState;
}

/** One that was read. */
export interface LoadedCheckpoint extends Checkpoint {
  /**
   * Puts θ into the parameters, with the vectors of the optimizer's rule and estimator.
   * @throws ERR_ZEROTH_CHECKPOINT, with nothing changed, where they are others or of another length; else as `loadCheckpoint`.
   */
  restore(params: Params, optimizer: Optimizer): Promise<void>;
}

/** Writes both files, from the device piece by piece. The parameters are not to be changed meanwhile. */
export async function saveCheckpoint(folder: string, checkpoint: Checkpoint, params: Params): Promise<void> {
  const { step, identity, lastLoss, stepSize, estimator, watch } = checkpoint;
  const vectors = await params.settle();
  const tensors = new Map([...vectors].map(([name, buffer]) => [name, vectorSource(buffer, [params.length])]));
  await saveSafetensors(join(folder, STATE_FILE), tensors, {
    format: FORMAT,
    step: String(step),
    identity: JSON.stringify(identity),
    lastLoss: JSON.stringify(lastLoss ?? null),
    stepSize: JSON.stringify(stepSize),
    estimator: JSON.stringify(estimator),
    watch: JSON.stringify(watch),
  });
  const weights = namedTensors(params.layout, params.theta);
  await saveSafetensors(join(folder, WEIGHTS_FILE), weights, { format: 'zeroth', step: String(step) });
}

/** Removes what a checkpoint that was killed while it was written has left. For the writer of the folder alone. */
export async function removeTornCheckpoints(folder: string): Promise<void> {
  for (const file of [STATE_FILE, WEIGHTS_FILE]) await removeLeftovers(join(folder, file));
}

/**
 * The last checkpoint of a run.
 *
 * @param folder its folder.
 * @param expected the identity that the checkpoint must have, given the one that it has. Default: any.
 * @throws ERR_ZEROTH_CHECKPOINT when the folder has no checkpoint, one that is damaged in what it says, or one of another run;
 *   ERR_ZEROTH_SAFETENSORS for a file that is no whole safetensors file; ERR_ZEROTH_FILE for one that cannot be read.
 */
export async function loadCheckpoint(
  folder: string,
  expected?: (identity: Identity) => Identity,
): Promise<LoadedCheckpoint> {
  const file = join(folder, STATE_FILE);
  if (!existsSync(file)) {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${folder}: expected a run with a checkpoint (${STATE_FILE}), received none: the run ended before its first. Remove the folder and start again.`,
    );
  }
  await using state = await openSafetensors(file);
  const { tensors, metadata } = state;
  if (metadata.format !== FORMAT || tensors.get('theta')?.dtype !== 'F32') {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${file}: expected a checkpoint of format ${FORMAT}, received format ${metadata.format ?? 'none'}.`,
    );
  }
  const record = checkedRecord(file, metadata);
  const differing = expected ? differences(record.identity, expected(record.identity)) : [];
  if (differing.length > 0) {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${file}: expected a checkpoint of the same run, received one of another: ${differing.join('; ')}. ` +
        'Resume with the options that the run was started with, or start a new run in another folder.',
    );
  }
  return { ...record, restore: (params, optimizer) => restore(file, params, optimizer) };
}

/** Vectors go to the device piece by piece. */
async function restore(file: string, params: Params, { rule, estimator }: Optimizer): Promise<void> {
  await using state = await openSafetensors(file);
  const held = vectorsOf(estimator);
  const expected = ['theta', ...rule.states, ...held.map((name) => `held.${name}`)];
  const received = [...state.tensors.keys()];
  if (received.length !== expected.length || !expected.every((name) => state.tensors.has(name))) {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${file}: expected the vectors ${expected.join(', ')} of this optimizer, received ${received.join(', ') || 'none'}.`,
    );
  }
  for (const [name, { dtype, shape }] of state.tensors) {
    if (dtype === 'F32' && shape.length === 1 && shape[0] === params.length) continue;
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${file}: tensor ${shown(name)}: expected a vector of ${params.length} F32, received ${dtype} of shape ${shown(shape)}.`,
    );
  }
  await params.useRule(rule);
  params.useHeld(held);
  const lengths = new Map(received.map((name) => [name, params.length]));
  await params.replace(lengths, (name) => state.pieces(name) as AsyncIterable<VectorPiece>);
}

/** What stands in the metadata, of which nobody vouches for a word. */
function checkedRecord(file: string, metadata: Readonly<Record<string, string>>): Checkpoint {
  try {
    const step = Number(metadata.step);
    if (!/^\d+$/.test(metadata.step ?? '') || !Number.isSafeInteger(step))
      throw new Error(`step ${shown(metadata.step)}`);
    const lastLoss: unknown = JSON.parse(metadata.lastLoss);
    if (lastLoss !== null && typeof lastLoss !== 'number') throw new Error(`loss ${shown(lastLoss)}`);
    return {
      step,
      identity: checkedIdentity(JSON.parse(metadata.identity)),
      lastLoss: lastLoss ?? undefined,
      stepSize: checkedStepSize(metadata.stepSize),
      estimator: JSON.parse(metadata.estimator) as Json,
      watch: checkedWatchState(JSON.parse(metadata.watch)),
    };
  } catch (cause) {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${file}: expected a checkpoint that Zeroth wrote, received a damaged one: ${(cause as Error).message}. ` +
        'Take it from a backup, or remove the folder and start again.',
      { cause },
    );
  }
}

function checkedStepSize(text: string): StoredStepSize {
  const { state = null, reading = null } = recordOf('step size', JSON.parse(text));
  if (reading !== null) {
    const numbers = isRecord(reading) ? READING.map((field) => reading[field]) : [undefined];
    if (!numbers.every(Number.isFinite)) throw new Error(`curvature ${shown(reading)}`);
  }
  return { state: state as Json, reading: reading as StoredStepSize['reading'] };
}

const READING = [
  'step',
  'loss',
  'trace',
  'traceStdErr',
  'lambdaMax',
] as const satisfies readonly (keyof CurvatureReading)[];
