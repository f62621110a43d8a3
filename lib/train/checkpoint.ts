import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { shown, ZerothError } from '../errors.ts';
import type { Json } from '../optimizers/json.ts';
import type { Term, Update } from '../optimizers/optimizer.ts';
import type { CurvatureReading } from '../optimizers/step-size.ts';
import type { Params, Pending, StoredParams } from '../params/params.ts';
import { loadSafetensors, type SafeTensor, saveSafetensors } from '../params/safetensors.ts';
import { checkTerm, STATE_NAMES, type StateName } from '../params/update.ts';
import type { Distribution } from '../random/direction.ts';
import type { StoredStepSize } from './step-sizer.ts';
import { checkedWatchState, type WatchState } from './watch-state.ts';

/**
 * Two files, each replaced atomically:
 * - `checkpoint.safetensors`: the named weights as of the checkpoint, for any tool that reads safetensors;
 * - `state.safetensors`: what a resume needs and nothing else needs to understand: the device's bits, the optimizer's state, what was
 *   pending, and the step. It is the authority; a kill between the two writes leaves both valid.
 */
const WEIGHTS_FILE = 'checkpoint.safetensors';
const STATE_FILE = 'state.safetensors';

const FORMAT = '2';

export interface Checkpoint {
  readonly step: number;
  /** What must be equal for a resumed run to continue the same trajectory. */
  readonly identity: Identity;
  readonly params: StoredParams;
  /** Loss of the last step so far; absent where there was none, or none that is finite. */
  readonly lastLoss?: number;
  readonly stepSize: StoredStepSize;
  readonly watch: WatchState;
}

/** Plain JSON. */
export type Identity = { readonly [name: string]: Json };

interface TermRecord {
  distribution: Distribution;
  seed: string;
  stream: string;
  coefficient: number;
}

interface PendingRecord {
  update: Update;
  terms: TermRecord[];
  lr?: number;
}

const vector = (data: Float32Array): SafeTensor => ({ dtype: 'F32', shape: [data.length], data });

export async function saveCheckpoint(folder: string, checkpoint: Checkpoint, params: Params): Promise<void> {
  const { step, identity, lastLoss, stepSize, watch } = checkpoint;
  const { theta, states, displacement, pending } = checkpoint.params;
  const tensors = new Map<string, SafeTensor>([['theta', vector(theta)]]);
  for (const name of STATE_NAMES) {
    const state = states[name];
    if (state) tensors.set(name, vector(state));
  }
  await saveSafetensors(join(folder, STATE_FILE), tensors, {
    format: FORMAT,
    step: String(step),
    identity: JSON.stringify(identity),
    displacement: JSON.stringify(displacement.map(toRecord)),
    pending: JSON.stringify(pending.map((entry): PendingRecord => ({ ...entry, terms: entry.terms.map(toRecord) }))),
    lastLoss: JSON.stringify(lastLoss ?? null),
    stepSize: JSON.stringify(stepSize),
    watch: JSON.stringify(watch),
  });
  await saveWeights(join(folder, WEIGHTS_FILE), params, { step: String(step) });
}

/** The named tensors as of now. */
async function saveWeights(file: string, params: Params, metadata: Record<string, string> = {}): Promise<void> {
  const values = await params.read();
  const tensors = new Map<string, SafeTensor>();
  for (const { name, shape, offset, size } of params.layout.tensors) {
    tensors.set(name, { dtype: 'F32', shape: [...shape], data: values.subarray(offset, offset + size) });
  }
  await saveSafetensors(file, tensors, { format: 'zeroth', ...metadata });
}

/**
 * The last checkpoint of a run.
 *
 * @param folder its folder.
 * @param expected the identity that the checkpoint must have, given the one that it has. Default: any.
 * @throws ERR_ZEROTH_CHECKPOINT when the folder has no usable checkpoint, or one of another run.
 */
export async function loadCheckpoint(folder: string, expected?: (identity: Identity) => Identity): Promise<Checkpoint> {
  const file = join(folder, STATE_FILE);
  if (!existsSync(file)) {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${folder}: expected a run with a checkpoint (${STATE_FILE}), received none: the run ended before its first. Remove the folder and start again.`,
    );
  }
  const { tensors, metadata } = await loadSafetensors(file);
  const theta = tensors.get('theta')?.data;
  if (metadata.format !== FORMAT || !(theta instanceof Float32Array)) {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${file}: expected a checkpoint of format ${FORMAT}, received format ${metadata.format ?? 'none'}.`,
    );
  }
  const { displacement, pending, ...rest } = checkedRecord(file, metadata);
  const differences = expected ? difference('', rest.identity, expected(rest.identity)) : [];
  if (differences.length > 0) {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${file}: expected a checkpoint of the same run, received one of another: ${differences.join('; ')}. ` +
        'Resume with the options that the run was started with, or start a new run in another folder.',
    );
  }
  const states: Partial<Record<StateName, Float32Array>> = {};
  for (const name of STATE_NAMES) {
    const data = tensors.get(name)?.data;
    if (data instanceof Float32Array) states[name] = data;
  }
  return {
    ...rest,
    params: { theta, states, displacement, pending },
  };
}

/** What stands in the metadata, of which nobody vouches for a word. */
function checkedRecord(
  file: string,
  metadata: Readonly<Record<string, string>>,
): Pick<Checkpoint, 'step' | 'identity' | 'lastLoss' | 'stepSize' | 'watch'> &
  Pick<StoredParams, 'displacement' | 'pending'> {
  try {
    const step = Number(metadata.step);
    if (!/^\d+$/.test(metadata.step ?? '') || !Number.isSafeInteger(step))
      throw new Error(`step ${shown(metadata.step)}`);
    const lastLoss: unknown = JSON.parse(metadata.lastLoss);
    if (lastLoss !== null && typeof lastLoss !== 'number') throw new Error(`loss ${shown(lastLoss)}`);
    const displacement = JSON.parse(metadata.displacement) as TermRecord[];
    const pending = (JSON.parse(metadata.pending) as PendingRecord[]).map((entry) => ({
      ...entry,
      update: checkedUpdate(entry),
      terms: entry.terms.map(fromRecord),
    }));
    return {
      step,
      identity: record('identity', metadata.identity) as Identity,
      lastLoss: lastLoss ?? undefined,
      stepSize: checkedStepSize(metadata.stepSize),
      watch: checkedWatchState(JSON.parse(metadata.watch)),
      displacement: displacement.map(fromRecord),
      pending: pending as Pending[],
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

/** The numbers of each kind of update. */
const UPDATE_FIELDS = {
  plain: [],
  momentum: ['beta'],
  adam: ['beta1', 'beta2', 'epsilon', 't'],
  frozenAdam: ['beta1'],
} as const satisfies Record<Update['kind'], readonly string[]>;

function checkedUpdate({ update, lr }: PendingRecord): Update {
  const fields: readonly string[] | undefined = UPDATE_FIELDS[update.kind];
  if (fields === undefined) throw new Error(`update ${shown(update.kind)}`);
  const numbers = fields.map((field) => (update as unknown as Record<string, unknown>)[field]);
  if (update.kind !== 'plain') numbers.push(lr);
  if (!numbers.every(Number.isFinite)) throw new Error(`numbers ${shown(numbers)} of a pending update`);
  return update;
}

const toRecord = ({ direction, coefficient }: Term): TermRecord => ({
  distribution: direction.distribution,
  seed: String(direction.seed),
  stream: String(direction.stream),
  coefficient,
});

function fromRecord({ distribution, seed, stream, coefficient }: TermRecord): Term {
  const term = { direction: { distribution, seed: BigInt(seed), stream: BigInt(stream) }, coefficient };
  checkTerm(term);
  return term;
}

function record(name: string, text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value)) throw new Error(`${name} ${shown(value)}`);
  return value;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function checkedStepSize(text: string): StoredStepSize {
  const { state = null, reading = null } = record('step size', text);
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

/** Names the settings that differ between two identities, each by its path. */
function difference(path: string, was: unknown, is: unknown): string[] {
  if (isRecord(was) && isRecord(is)) {
    const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])];
    return keys.flatMap((key) => difference(path ? `${path}.${key}` : key, was[key], is[key]));
  }
  const show = (value: unknown) => JSON.stringify(value) ?? 'nothing';
  return show(was) === show(is) ? [] : [`${path} was ${show(was)} and is ${show(is)}`];
}
