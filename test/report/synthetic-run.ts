import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gd, zoGD } from '../../lib/optimizers/recipes.ts';
import { edgeOfStability } from '../../lib/stability/edge.ts';
import type { MonitorEvent, ResumeEvent, RunEvent, TrainEvent } from '../../lib/train/events.ts';

export interface SyntheticRun {
  readonly lr?: number;
  readonly steps?: number;
  /** Where the trace settles, as a share of 2/η. */
  readonly settle?: number;
  readonly monitorEvery?: number;
  readonly name?: string;
  readonly seed?: string;
  readonly end?: 'completed' | 'aborted' | 'diverged' | 'none';
  readonly preconditioned?: boolean;
  readonly meta?: Record<string, unknown>;
  readonly loss?: (step: number) => number;
}

/** The events of a made-up run: the loss falls exponentially, the trace climbs from 7 to a share of its threshold. */
export function syntheticRun(options: SyntheticRun = {}): TrainEvent[] {
  const {
    lr = 0.05,
    steps = 1000,
    settle = 0.97,
    monitorEvery = 100,
    end = 'completed',
    preconditioned = false,
  } = options;
  const loss = options.loss ?? ((step: number) => 0.02 + Math.exp(-step / 200));
  const events: TrainEvent[] = [
    {
      type: 'run',
      format: 2,
      zeroth: '0.1.0',
      startedAt: '2026-01-01T00:00:00.000Z',
      name: options.name ?? 'sorting-mlp',
      parameters: 2752,
      examples: 1000,
      batch: 'full',
      steps,
      seed: options.seed ?? '1',
      run: 0,
      monitor: { every: monitorEvery, probes: 64, auto: false, share: 0.1 },
      optimizer: {
        name: preconditioned ? 'zo-adam' : 'zo-gd',
        estimator: 'gaussian-two-point',
        rule: preconditioned ? 'adam' : 'plain',
        lr,
        stepSize: { name: 'constant', options: { lr } },
        options: { estimator: { mu: 1e-3 }, rule: {} },
        mu: 1e-3,
        ...(preconditioned && { beta: 0.9, beta2: 0.999 }),
        moments: { s1: 2, s2: 1 },
      },
      device: { kind: 'cpu', description: 'a processor', isa: 'avx2', threads: 2 },
      squaredNorm: 50,
      memory: { arenaBytes: 2 ** 20, parameterBytes: 11008, displacement: 'copy' },
      meta: options.meta ?? {},
    },
  ];
  for (let step = 0; step < steps; step++) {
    if (monitorEvery > 0 && step % monitorEvery === 0) {
      events.push(
        monitorAt(step, { lr, trace: 7 + ((2 / lr) * settle - 7) * (1 - Math.exp(-step / 120)), preconditioned }),
      );
    }
    events.push({ type: 'step', step, loss: loss(step), lr, projectedGradient: Math.sin(step) });
  }
  if (end !== 'none') {
    const last = loss(steps - 1);
    events.push({
      type: 'end',
      reason: end,
      steps,
      seconds: 2,
      stepsPerSecond: 500,
      loss: Number.isFinite(last) ? last : null,
      squaredNorm: 50 + steps / 10,
      diffusion: preconditioned ? null : steps / 11,
      message: `Made up: ${end}.`,
    });
  }
  return events;
}

/** One monitor point of ZO-GD: band [tr, tr + 2λmax], λmax = tr/6, no negative eigenvalue; of GD where `governs` is λmax. */
export function monitorAt(
  step: number,
  options: { lr: number; trace: number; preconditioned?: boolean; governs?: 'trace' | 'lambdaMax' },
): MonitorEvent {
  const { lr, trace, preconditioned = false, governs = 'trace' } = options;
  const [lambdaMax, traceStdErr, lambdaMaxResidual] = [trace / 6, 0.03 * trace, 0.01];
  const optimizer = governs === 'trace' ? zoGD({ lr }) : gd({ lr });
  const curvature = {
    trace,
    traceStdErr,
    lambdaMax,
    lambdaMaxResidual,
    lambdaMin: 0,
    lambdaMinResidual: 0.01,
    negativeTrace: 0,
    negativeTraceStdErr: 0,
  };
  return {
    type: 'monitor',
    step,
    loss: 0.1,
    lr,
    preconditioned,
    ...curvature,
    ...edgeOfStability(curvature, optimizer),
    hvps: 96,
    squaredNorm: 50 + step / 10,
    diffusion: preconditioned ? null : step / 11,
  };
}

/** Writes events as a run folder's log. */
export function writeRunFolder(folder: string, events: readonly TrainEvent[]): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'run.jsonl'), events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  return folder;
}

/** The line with which a synthetic run goes on at a step: as it began, but for what is given. */
export function resumeOf(events: readonly TrainEvent[], step: number, changed: Partial<ResumeEvent> = {}): ResumeEvent {
  const { steps, device, meta, optimizer } = runOf(events);
  return { type: 'resume', step, startedAt: '', steps, stepSize: optimizer.stepSize, device, meta, ...changed };
}

/** The first line of a run. */
export const runOf = (events: readonly TrainEvent[]): RunEvent =>
  events.find((event) => event.type === 'run') as RunEvent;
