import { cifar10Data } from '../data/cifar10.ts';
import type { Dataset } from '../data/dataset.ts';
import { sortingMlpData } from '../data/sorting.ts';
import { type Device, openDevice } from '../device/device.ts';
import { loadNative } from '../device/native.ts';
import { ZerothError } from '../errors.ts';
import { mlp } from '../models/mlp.ts';
import type { Model } from '../models/model.ts';
import { sortingMlp } from '../models/sorting-mlp.ts';
import { squaredLoss } from '../nn/losses.ts';
import { accuracy } from '../nn/metrics.ts';
import { compile, type Objective } from '../objective/objective.ts';
import type { Problem } from '../objective/problem.ts';
import { supervised } from '../objective/supervised.ts';
import { learningRateAt } from '../optimizers/schedules.ts';
import { loadCheckpoint } from '../train/checkpoint.ts';
import type { TrainEvent } from '../train/events.ts';
import type { Metric } from '../train/metrics.ts';
import { Monitor } from '../train/monitor.ts';
import { train } from '../train/train.ts';
import { makeOptimizer } from './optimizer-options.ts';
import type { PresetName } from './presets.ts';
import type { CurvatureMeasurement, CurvatureRequest, DeviceListing, RunRequest, Session } from './session.ts';
import type { TrainSettings } from './settings.ts';

/** What a preset minimises, and what it follows. */
interface PresetProblem {
  readonly problem: Problem;
  readonly metrics: Readonly<Record<string, Metric>>;
}

const problems: Readonly<Record<PresetName, (settings: TrainSettings) => PresetProblem>> = {
  'sorting-small': (settings) => sorting(settings, 200, [16, 16]),
  'sorting-mlp': (settings) => sorting(settings, 1000, [64, 64]),
  'cifar-small': (settings) => cifar(settings, 16),
  'cifar-mlp': (settings) => cifar(settings, 32),
};

function sorting({ preset: name, seed }: TrainSettings, n: number, hidden: readonly number[]): PresetProblem {
  return classifier(sortingMlp({ name, hidden }), sortingMlpData({ n, seed: BigInt(seed) }));
}

function cifar({ preset: name, data }: TrainSettings, width: number): PresetProblem {
  if (data === undefined) throw new ZerothError('ERR_ZEROTH_USAGE', `${name}: expected --data <folder>.`);
  const model = mlp({ name, sizes: [192, width, width, 4] });
  return classifier(model, cifar10Data({ folder: data, n: 500, side: 8 }));
}

function classifier(model: Model, data: Dataset): PresetProblem {
  return {
    problem: supervised(model, data, squaredLoss),
    metrics: { accuracy: (parameters, { x, y }) => accuracy(model.apply(parameters, x), y) },
  };
}

/** The real session: presets on the device of this machine. */
export const engine: Session = { startRun, measureCurvature, listDevices };

/** A preset on the device of this machine. */
export async function openPreset(settings: TrainSettings): Promise<{
  device: Device;
  objective: Objective;
  metrics: PresetProblem['metrics'];
}> {
  const { problem, metrics } = problems[settings.preset](settings);
  const device = openDevice({ device: 'auto', threads: settings.threads });
  try {
    return { device, metrics, objective: await compile(device, problem, { seed: BigInt(settings.seed) }) };
  } catch (error) {
    await device.dispose();
    throw error;
  }
}

async function startRun({ settings, out, resume, signal }: RunRequest): Promise<AsyncIterable<TrainEvent>> {
  const { device, objective, metrics } = await openPreset(settings);
  const { steps, batch, monitorEvery, probes } = settings;
  const options = {
    steps,
    seed: BigInt(settings.seed),
    batch,
    monitorEvery,
    probes,
    out,
    resume,
    metrics,
    signal,
    meta: { settings },
  };
  return (async function* events() {
    try {
      yield* train(objective, makeOptimizer(settings), options);
    } finally {
      await device.dispose();
    }
  })();
}

async function measureCurvature(
  folder: string,
  { settings, probes, signal }: CurvatureRequest,
): Promise<CurvatureMeasurement> {
  const optimizer = makeOptimizer(settings);
  const { device, objective } = await openPreset(settings);
  try {
    const checkpoint = await loadCheckpoint(folder);
    await checkpoint.restore(objective.params, optimizer);
    const run = checkpoint.identity.run as number;
    const { seed, batch } = settings;
    const monitor = new Monitor(objective, optimizer, { probes, seed: BigInt(seed), run, batch });
    const measured = await monitor.measure(checkpoint.step, learningRateAt(optimizer, checkpoint.step), signal);
    if (!measured) {
      throw new ZerothError(
        'ERR_ZEROTH_CHECKPOINT',
        `${folder}: expected a checkpoint after the first step, received one before it, where the preconditioner is not defined yet; train on and measure again.`,
      );
    }
    const { type: _, ...curvature } = measured;
    return curvature;
  } finally {
    await device.dispose();
  }
}

async function listDevices(): Promise<readonly DeviceListing[]> {
  const { availableIsas } = loadNative();
  await using device = openDevice({ device: 'cpu' });
  return [
    {
      kind: 'cpu',
      available: true,
      description: device.description,
      details: {
        threads: String(device.threads),
        'instruction set': `${device.isa} (of ${availableIsas().join(', ')}; ZEROTH_ISA chooses)`,
      },
    },
    { kind: 'cuda', available: false, description: 'not in this version: it runs on the CPU', details: {} },
  ];
}
