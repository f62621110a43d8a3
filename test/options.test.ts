import { afterAll, describe, expect, it } from 'vitest';
import * as zeroth from '../lib/index.ts';

const device = zeroth.openDevice({ threads: 1 });
afterAll(() => device.dispose());

const { ops, initialisers, schedules } = zeroth;
const problem = {
  parameters: { w: { shape: [2], init: [1, 2] } },
  data: { x: [[1, 2]] },
  loss: (p: Record<string, zeroth.Tensor>, d: Record<string, zeroth.Tensor>) => ops.mean(ops.matmul(d.x, p.w)),
};
const identity = { dimension: 2, apply: async (vectors: Float32Array) => vectors };
const compiled = (change: object, options?: object) =>
  zeroth.compile(device, { ...problem, ...change } as never, options);
const traced = (f: (x: zeroth.Tensor) => unknown) => () => ops.trace(f as never, { shape: [2, 2] } as never);
const curvature = { trace: 3, lambdaMax: 2 };
const preconditioner = Float32Array.of(1, 2);

/** Every function of the API that takes names, with one of them misspelt. What is right otherwise is in the first argument of `accepts`. */
const calls: Readonly<Record<string, (options: object) => unknown>> = {
  openDevice: (options) => zeroth.openDevice({ threads: 1, ...options }),
  'compile: problem': (change) => compiled(change),
  'compile: options': (options) => compiled({}, options),
  'compile: a parameter': (change) => compiled({ parameters: { w: { ...problem.parameters.w, ...change } } }),
  'compile: an initialiser': (change) =>
    compiled({ parameters: { w: { shape: [2], init: { ...initialisers.normal(1), ...change } } } }),
  'compile: data': (change) => compiled({ data: { x: { data: [[1, 2]], ...change } } }),
  'compile: constants': (change) => compiled({ constants: { c: { data: [1], ...change } } }),
  'compile: { sum, weight }': (change) =>
    compiled({ loss: (p: { w: zeroth.Tensor }) => ({ sum: p.w.sum(), weight: 1, ...change }) }),
  'supervised: options': (options) =>
    zeroth.supervised(zeroth.mlp({ sizes: [2, 2] }), { x: [[1, 2]], y: [0] }, zeroth.squaredLoss, options),
  supervised: (change) =>
    zeroth.supervised(zeroth.mlp({ sizes: [2, 2] }), { x: [[1, 2]], y: [0], ...change }, zeroth.squaredLoss),
  mlp: (options) => zeroth.mlp({ sizes: [2, 2], ...options }),
  sortingMlp: (options) => zeroth.sortingMlp(options),
  sortingMlpData: (options) => zeroth.sortingMlpData({ n: 2, seed: 0, ...options }),
  cifar10Data: (options) => zeroth.cifar10Data({ folder: 'none', n: 4, ...options }),
  train: async (options) => {
    const objective = await zeroth.compile(device, problem);
    for await (const _ of zeroth.train(objective, zeroth.gd({ lr: 0.1 }), { steps: 1, ...options }));
  },
  zoGD: (options) => zeroth.zoGD({ lr: 0.1, ...options }),
  mezo: (options) => zeroth.mezo(options),
  zoGDM: (options) => zeroth.zoGDM({ lr: 0.1, ...options }),
  zoAdam: (options) => zeroth.zoAdam({ lr: 0.1, ...options }),
  frozenZoAdam: (options) => zeroth.frozenZoAdam({ lr: 0.1, preconditioner, ...options }),
  gd: (options) => zeroth.gd({ lr: 0.1, ...options }),
  gdm: (options) => zeroth.gdm({ lr: 0.1, ...options }),
  adam: (options) => zeroth.adam({ lr: 0.1, ...options }),
  gaussianTwoPoint: (options) => zeroth.gaussianTwoPoint(options),
  clipNorm: (options) => zeroth.clipNorm(zeroth.gaussianTwoPoint(), { limit: 1, ...options }),
  oneSided: (options) => zeroth.oneSided(options),
  rademacherTwoPoint: (options) => zeroth.rademacherTwoPoint(options),
  sphereTwoPoint: (options) => zeroth.sphereTwoPoint(options),
  zoSvrg: (options) => zeroth.zoSvrg(options),
  spsa: (options) => zeroth.spsa({ lr: 0.1, ...options }),
  zoSVRG: (options) => zeroth.zoSVRG({ lr: 0.1, ...options }),
  adamRule: (options) => zeroth.adamRule(options),
  frozenAdam: (options) => zeroth.frozenAdam({ preconditioner, ...options }),
  polyakMomentum: (options) => zeroth.polyakMomentum(options),
  lion: (options) => zeroth.lion(options),
  weightDecay: (options) => zeroth.weightDecay(zeroth.plain(), options),
  clipValue: (options) => zeroth.clipValue(zeroth.plain(), { limit: 1, ...options }),
  tracedRule: (fields) => zeroth.tracedRule({ name: 'mine', ...fields }, ({ theta }) => ({ theta })),
  zoSignSGD: (options) => zeroth.zoSignSGD({ lr: 1, ...options }),
  zoLion: (options) => zeroth.zoLion({ lr: 1, ...options }),
  zoAdamW: (options) => zeroth.zoAdamW({ lr: 1, ...options }),
  'schedules.warmupLinearDecay': (options) =>
    schedules.warmupLinearDecay({ peak: 1, warmupSteps: 1, steps: 2, ...options }),
  'schedules.warmupCosineDecay': (options) =>
    schedules.warmupCosineDecay({ peak: 1, warmupSteps: 1, steps: 2, ...options }),
  topEigenvalues: (options) => zeroth.topEigenvalues(identity, options),
  hutchinsonTrace: (options) => zeroth.hutchinsonTrace(identity, options),
  'linearEstimator: options': (options) =>
    zeroth.linearEstimator(
      { name: 'mine' },
      () => ({ points: [[]], loss: { weights: [1], divisor: 1 }, terms: [] }),
      options,
    ),
  linearEstimator: (options) =>
    zeroth.linearEstimator({ name: 'mine', ...options }, () => ({
      points: [[]],
      loss: { weights: [1], divisor: 1 },
      terms: [],
    })),
  lanczosQuadrature: (options) => zeroth.lanczosQuadrature(identity, options),
  stabilityLimit: (options) => zeroth.stabilityLimit(zeroth.gd({ lr: 0.1 }), options),
  stabilityBounds: (options) => zeroth.stabilityBounds(curvature, zeroth.gd({ lr: 0.1 }), options),
  stepSizeBounds: (options) => zeroth.stepSizeBounds(curvature, zeroth.gd({ lr: 0.1 }), options),
  edgeOfStability: (options) => zeroth.edgeOfStability(curvature, zeroth.gd({ lr: 0.1 }), options),
  criticalStepSize: (options) => zeroth.criticalStepSize([1], zeroth.gd({ lr: 0.1 }), options),
  writeReport: (options) => zeroth.writeReport(['none'], 'none.html', options),
  squaredLoss: (options) => traced((x) => zeroth.squaredLoss(x, x, options))(),
  softmaxCrossEntropy: (options) => {
    const loss = (f: zeroth.Tensor, y: zeroth.Tensor) => zeroth.softmaxCrossEntropy(f, y, options);
    return ops.trace(loss as never, { shape: [2, 2] } as never, { shape: [2], dtype: 'i32' } as never);
  },
  'ops.sum': (options) => traced((x) => ops.sum(x, 0, options))(),
  'ops.mean': (options) => traced((x) => ops.mean(x, 0, options))(),
  'ops.max': (options) => traced((x) => ops.max(x, 0, options))(),
  'ops.scan': (options) => traced((x) => ops.scan((c: zeroth.Tensor) => [c, null], x, x, options)[0])(),
  'ops.linearRecurrence': (options) => traced((x) => ops.linearRecurrence(x, x, ops.sum(x, 0), options))(),
  'ops.logSumExp': (options) => traced((x) => ops.logSumExp(x, 0, options))(),
};

/** What a call throws, at once or later. */
async function failure(call: () => unknown): Promise<unknown> {
  try {
    const result = await call();
    if (result instanceof Object && 'dispose' in result) await (result as { dispose(): unknown }).dispose();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('an unknown name among options is refused, with the known ones', () => {
  it.each(Object.entries(calls))('%s', async (_, call) => {
    const before = device.memory();
    expect(await failure(() => call({ optoin: 1 }))).toMatchObject({
      name: 'ZerothError',
      code: 'ERR_ZEROTH_ARGUMENT',
      message: expect.stringMatching(/expected none but (\w+, )*\w+; received the unknown name "optoin"/),
    });
    if (_ !== 'train') expect(device.memory()).toEqual(before);
    // Without it the call is right, or fails for another reason: a file that is not there.
    const other = await failure(() => call({}));
    if (other !== undefined) expect(other).toMatchObject({ code: expect.stringMatching(/ERR_ZEROTH_(FILE|LOG)/) });
  });

  it('covers every function of the API that is called with options', () => {
    // These take none: arrays, tensors, other objects, or records whose names the caller chooses.
    const others = [
      ...['ZerothError', 'PhiloxStream', 'accuracy', 'exactGradient', 'linear', 'linearParameters', 'loadCheckpoint'],
      ...[
        'forwardGradient',
        'inSpace',
        'loadSafetensors',
        'lstm',
        'lstmCell',
        'lstmParameters',
        'meanOfQueries',
        'openSafetensors',
        'plain',
        'preconditionedOperator',
        'readRunLog',
        'saveSafetensors',
        'signDescent',
        'stream',
        'writePlots',
      ],
    ];
    const functions = Object.entries(zeroth)
      .filter(([, value]) => typeof value === 'function')
      .map(([name]) => name);
    expect(
      functions.filter((name) => !Object.keys(calls).some((call) => call.startsWith(name)) && !others.includes(name)),
    ).toEqual([]);
  });
});
