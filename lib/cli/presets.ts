import type { OptimizerName } from './optimizers.ts';

/** The optimizers of which each preset has a step size that is known to hold (`bench/survival.js`). */
export const tunedNames = [
  'zo-gd',
  'zo-gdm',
  'zo-adam',
  'gd',
  'gdm',
  'adam',
] as const satisfies readonly OptimizerName[];
export type TunedName = (typeof tunedNames)[number];

export const isTuned = (name: OptimizerName): name is TunedName => (tunedNames as readonly string[]).includes(name);

export const presetNames = ['sorting-small', 'sorting-mlp', 'cifar-small', 'cifar-mlp'] as const;
export type PresetName = (typeof presetNames)[number];

/** How a preset trains with one of the optimizers, unless options say otherwise. */
interface PresetRun {
  readonly lr: number;
  /** Enough to get where `reaches` says. */
  readonly steps: number;
  /**
   * `edge`: over the last third of its steps the curvature is at its limit, or close to it. `below`: it stays under it, because beyond it
   * nothing holds this problem (its weights grow by the noise of the steps, and a wide net's curvature with them).
   * Either way at least 95 % of seeds finish: `bench/survival.js` measures both.
   */
  readonly reaches: 'edge' | 'below';
}

/** What a preset trains. */
interface Preset {
  readonly summary: string;
  /** Whether `--data` must name a folder. */
  readonly needsData: boolean;
  readonly runs: Readonly<Record<TunedName, PresetRun>>;
}

const edge = (lr: number, steps: number): PresetRun => ({ lr, steps, reaches: 'edge' });
const below = (lr: number, steps: number): PresetRun => ({ lr, steps, reaches: 'below' });

export const presets: Readonly<Record<PresetName, Preset>> = {
  'sorting-small': {
    summary: 'sorts sequences: 200 made-up examples, 1,344 parameters',
    needsData: false,
    runs: {
      'zo-gd': edge(0.05, 30000),
      'zo-gdm': edge(0.006, 16000),
      'zo-adam': edge(0.003, 12000),
      gd: edge(1, 4000),
      gdm: edge(0.5, 4000),
      adam: edge(0.001, 4000),
    },
  },
  'sorting-mlp': {
    summary: 'the same with 1,000 examples, 8,352 parameters',
    needsData: false,
    runs: {
      'zo-gd': below(0.03, 5000),
      'zo-gdm': below(0.003, 5000),
      'zo-adam': below(0.002, 5000),
      gd: edge(1, 4000),
      gdm: edge(0.5, 4000),
      adam: edge(0.001, 4000),
    },
  },
  'cifar-small': {
    summary: '500 CIFAR-10 images, 4 classes, 8×8, 3,428 parameters (--data)',
    needsData: true,
    runs: {
      'zo-gd': edge(0.01, 16000),
      'zo-gdm': edge(0.001, 16000),
      'zo-adam': edge(0.001, 16000),
      gd: edge(0.05, 4000),
      gdm: edge(0.05, 4000),
      adam: edge(0.0005, 4000),
    },
  },
  'cifar-mlp': {
    summary: 'the same images, 7,364 parameters (--data)',
    needsData: true,
    runs: {
      'zo-gd': below(0.005, 16000),
      'zo-gdm': below(0.0005, 16000),
      'zo-adam': below(0.0005, 16000),
      gd: edge(0.05, 4000),
      gdm: edge(0.05, 4000),
      adam: edge(0.0005, 4000),
    },
  },
};

/** The seed of a run that names none: any other shows the same. */
export const seedDefault = '1';
