/** The optimizers that the command line offers. */
export const optimizerNames = ['zo-gd', 'zo-gdm', 'zo-adam', 'gd', 'gdm', 'adam'] as const;
export type OptimizerName = (typeof optimizerNames)[number];

export const presetNames = ['sorting-mlp', 'cifar-mlp'] as const;
export type PresetName = (typeof presetNames)[number];

/** What a preset trains and how, unless options say otherwise. */
export interface Preset {
  readonly summary: string;
  readonly steps: number;
  /**
   * Seed that a run takes when none is given. At the edge of stability the steps have heavy tails, and with some seeds a run diverges:
   * this one stays.
   */
  readonly seed: string;
  /** Whether `--data` must name a folder. */
  readonly needsData: boolean;
  /** The step size of each optimizer: one that reaches its edge of stability, or comes near. */
  readonly lr: Readonly<Record<OptimizerName, number>>;
}

export const presets: Readonly<Record<PresetName, Preset>> = {
  'sorting-mlp': {
    summary: 'an MLP that learns to sort short sequences: 1,000 made-up examples, squared loss, seconds on a laptop',
    steps: 5000,
    seed: '22',
    needsData: false,
    lr: { 'zo-gd': 0.05, 'zo-gdm': 0.005, 'zo-adam': 0.001, gd: 0.05, gdm: 0.005, adam: 0.001 },
  },
  'cifar-mlp': {
    summary:
      'an MLP on 500 CIFAR-10 images of four classes, averaged to 8×8 (--data names the folder of data_batch_*.bin)',
    steps: 8000,
    seed: '1',
    needsData: true,
    lr: { 'zo-gd': 0.01, 'zo-gdm': 0.001, 'zo-adam': 0.0005, gd: 0.01, gdm: 0.001, adam: 0.0005 },
  },
};

export const monitorDefaults = { every: 250, probes: 64 } as const;
export const smoothingDefault = 1e-3;
export const betaDefault = 0.9;
export const beta2Default = 0.999;

/** Which options mean something to an optimizer; any other is refused, not ignored. */
export function optimizerTakes(name: OptimizerName): { mu: boolean; beta: boolean; beta2: boolean } {
  return {
    mu: name.startsWith('zo-'),
    beta: !(name === 'zo-gd' || name === 'gd'),
    beta2: name.endsWith('adam'),
  };
}
