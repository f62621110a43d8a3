import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { usageError } from './exit-codes.ts';
import { makeOptimizer, type OptimizerSettings, optimizerSettings } from './optimizer-options.ts';
import type { OptimizerName, OptimizerOptions } from './optimizers.ts';
import { learningRateText, type SchedulePiece } from './parse.ts';
import { isTuned, type PresetName, presets, seedDefault, tunedNames } from './presets.ts';

/** Everything that decides a run; plain JSON, kept in the run's log (`meta.settings`) so that a resumed run needs no options. */
export interface TrainSettings extends OptimizerSettings {
  readonly preset: PresetName;
  readonly steps: number;
  readonly seed: string;
  readonly batch: number | 'full';
  /** Folder of the data set, for presets that read one. */
  readonly data?: string;
  readonly monitorEvery: number | 'auto' | 'off';
  /** Absent: as the monitor's plan has it. */
  readonly probes?: number;
  /** Threads of the device; absent: as many as the machine has. */
  readonly threads?: number;
}

/** `train`'s options as given; absent where they were not. */
export interface TrainOptions extends Partial<OptimizerOptions> {
  readonly optimizer?: OptimizerName;
  readonly lr?: readonly SchedulePiece[];
  readonly steps?: number;
  readonly seed?: string;
  readonly batch?: number | 'full';
  readonly data?: string;
  readonly monitorEvery?: number | 'auto' | 'off';
  readonly probes?: number;
  readonly threads?: number;
}

/** The settings of a new run. @throws ERR_ZEROTH_USAGE for options that do not fit the preset or the optimizer. */
export function newSettings(name: PresetName, options: TrainOptions): TrainSettings {
  const preset = presets[name];
  if (preset.needsData && options.data === undefined) {
    throw usageError(`${name} reads a data set: add --data <folder>, the folder that holds data_batch_*.bin.`);
  }
  if (!preset.needsData && options.data !== undefined) {
    throw usageError(`${name} makes its own data: leave out --data.`);
  }
  const optimizer = options.optimizer ?? 'zo-gd';
  const tuned = isTuned(optimizer) ? preset.runs[optimizer] : undefined;
  const lr = options.lr ?? (tuned ? [{ step: 0, lr: tuned.lr }] : refuseUntuned(optimizer, name));
  const chosen = optimizerSettings(optimizer, lr, options);
  // What a number of its own refuses is refused before anything begins.
  makeOptimizer(chosen);
  return {
    preset: name,
    ...chosen,
    steps: options.steps ?? (tuned ?? preset.runs['zo-gd']).steps,
    seed: options.seed ?? seedDefault,
    batch: options.batch ?? 'full',
    ...(options.data !== undefined && { data: options.data }),
    monitorEvery: options.monitorEvery ?? 'auto',
    ...(options.probes !== undefined && { probes: options.probes }),
    ...(options.threads !== undefined && { threads: options.threads }),
  };
}

function refuseUntuned(optimizer: OptimizerName, preset: PresetName): never {
  throw usageError(
    `No step size of ${optimizer} is known to hold for ${preset}: add --lr <η>. (Presets have one for ${tunedNames.join(', ')}.)`,
  );
}

/** Options that a resumed run may change: none of them alters the steps that are already done. */
const changeable = ['steps', 'threads', 'data'] as const;

/**
 * The settings of a run that goes on: those it began with, with the changeable ones of `options` on top.
 *
 * @throws ERR_ZEROTH_USAGE where an option contradicts the run.
 */
export function resumedSettings(began: TrainSettings, name: PresetName, options: TrainOptions): TrainSettings {
  if (began.preset !== name) throw usageError(`This run trains ${began.preset}, not ${name}.`);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || (changeable as readonly string[]).includes(key)) continue;
    const was = began[key as keyof TrainSettings];
    if (JSON.stringify(value) !== JSON.stringify(was)) {
      throw usageError(
        `${dashed(key)} ${shownOption(value)} contradicts the run, which began with ${shownOption(was)}. ` +
          `A resumed run keeps its settings (only ${changeable.map(dashed).join(', ')} may change): leave the option out, or start a new run with another --out.`,
      );
    }
  }
  const changed = Object.fromEntries(
    changeable.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])),
  );
  return { ...began, ...changed };
}

/** `runs/sorting-mlp-zo-gd-0.05-1`; the signs of a schedule become `_`, so that it is a plain folder name everywhere. */
export function defaultFolder({ preset, optimizer, lr, seed }: TrainSettings): string {
  return join('runs', `${preset}-${optimizer}-${learningRateText(lr).replaceAll(/[:,]/g, '_')}-${seed}`);
}

export function hasRun(folder: string): boolean {
  return existsSync(join(folder, 'run.jsonl'));
}

const dashed = (key: string) => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function shownOption(value: unknown): string {
  if (value === undefined) return 'none';
  return Array.isArray(value) ? learningRateText(value as SchedulePiece[]) : String(value);
}
