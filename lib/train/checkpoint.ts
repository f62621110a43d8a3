import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { shown, ZerothError } from '../errors.ts';
import type { Term, Update } from '../optimizers/optimizer.ts';
import { checkTerm, type Params, type Pending, type StateName, type StoredParams } from '../params/params.ts';
import { loadSafetensors, type SafeTensor, saveSafetensors } from '../params/safetensors.ts';
import type { Distribution } from '../random/direction.ts';

/**
 * Two files, each replaced atomically:
 * - `checkpoint.safetensors`: the named weights as of the checkpoint, for any tool that reads safetensors;
 * - `state.safetensors`: what a resume needs and nothing else needs to understand: the device's bits, the optimizer's state, what was
 *   pending, and the step. It is the authority; a kill between the two writes leaves both valid.
 */
const WEIGHTS_FILE = 'checkpoint.safetensors';
const STATE_FILE = 'state.safetensors';

const FORMAT = '2';
const STATE_NAMES: readonly StateName[] = ['m', 'v', 'p'];

export interface Checkpoint {
  readonly step: number;
  /** Fingerprint of what must be equal for a resumed run to continue the same trajectory. */
  readonly identity: string;
  readonly params: StoredParams;
  /** Warm start of the monitor's eigenvector, so that a resumed log continues bit for bit. */
  readonly eigenvector?: Float32Array;
  /** Loss of the run's first step: divergence is measured against it. */
  readonly firstLoss?: number;
}

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
  const { step, identity, eigenvector, firstLoss } = checkpoint;
  const { theta, states, displacement, pending } = checkpoint.params;
  const tensors = new Map<string, SafeTensor>([['theta', vector(theta)]]);
  for (const name of STATE_NAMES) {
    const state = states[name];
    if (state) tensors.set(name, vector(state));
  }
  if (eigenvector) tensors.set('eigenvector', vector(eigenvector));
  await saveSafetensors(join(folder, STATE_FILE), tensors, {
    format: FORMAT,
    step: String(step),
    identity,
    displacement: JSON.stringify(displacement.map(toRecord)),
    pending: JSON.stringify(pending.map((entry): PendingRecord => ({ ...entry, terms: entry.terms.map(toRecord) }))),
    firstLoss: JSON.stringify(firstLoss ?? null),
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

/** @throws ERR_ZEROTH_CHECKPOINT when the folder has no usable checkpoint, or one of another run. */
export async function loadCheckpoint(folder: string, identity?: string): Promise<Checkpoint> {
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
  const record = checkedRecord(file, metadata);
  if (identity !== undefined && metadata.identity !== identity) {
    throw new ZerothError(
      'ERR_ZEROTH_CHECKPOINT',
      `${file}: expected a checkpoint of the same run, received one of another: ${difference(metadata.identity, identity)}. ` +
        'Resume with the options that the run was started with, or start a new run in another folder.',
    );
  }
  const states: Partial<Record<StateName, Float32Array>> = {};
  for (const name of STATE_NAMES) {
    const data = tensors.get(name)?.data;
    if (data instanceof Float32Array) states[name] = data;
  }
  const eigenvector = tensors.get('eigenvector')?.data;
  const { displacement, pending, ...rest } = record;
  return {
    ...rest,
    identity: metadata.identity,
    params: { theta, states, displacement, pending },
    eigenvector: eigenvector instanceof Float32Array ? eigenvector : undefined,
  };
}

/** What stands in the metadata, of which nobody vouches for a word. */
function checkedRecord(
  file: string,
  metadata: Readonly<Record<string, string>>,
): Pick<Checkpoint, 'step' | 'firstLoss'> & Pick<StoredParams, 'displacement' | 'pending'> {
  try {
    const step = Number(metadata.step);
    if (!/^\d+$/.test(metadata.step ?? '') || !Number.isSafeInteger(step))
      throw new Error(`step ${shown(metadata.step)}`);
    const firstLoss: unknown = JSON.parse(metadata.firstLoss);
    if (firstLoss !== null && typeof firstLoss !== 'number') throw new Error(`first loss ${shown(firstLoss)}`);
    const displacement = JSON.parse(metadata.displacement) as TermRecord[];
    const pending = (JSON.parse(metadata.pending) as PendingRecord[]).map((entry) => ({
      ...entry,
      update: checkedUpdate(entry),
      terms: entry.terms.map(fromRecord),
    }));
    if (typeof JSON.parse(metadata.identity) !== 'object') throw new Error('no identity');
    return {
      step,
      firstLoss: firstLoss ?? undefined,
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

/** Names the settings that differ between two identities (JSON objects). */
function difference(was: string, is: string): string {
  const before = JSON.parse(was) as Record<string, unknown>;
  const now = JSON.parse(is) as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const show = (value: unknown) => JSON.stringify(value) ?? 'nothing';
  return keys
    .filter((key) => show(before[key]) !== show(now[key]))
    .map((key) => `${key} was ${show(before[key])} and is ${show(now[key])}`)
    .join('; ');
}
