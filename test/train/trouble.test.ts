import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../lib/device/device.ts';
import { ZerothError } from '../../lib/errors.ts';
import { add, exp, log, mul, neg, relu, sqrt, square, sub, sum, type Tensor } from '../../lib/graph/ops.ts';
import { compile, type Objective } from '../../lib/objective/objective.ts';
import type { Problem } from '../../lib/objective/problem.ts';
import type { Estimator, Optimizer } from '../../lib/optimizers/optimizer.ts';
import { adam, gd, gdm, zoGD } from '../../lib/optimizers/recipes.ts';
import { plain } from '../../lib/optimizers/rules/plain.ts';
import type { EndEvent, MonitorEvent, TrainEvent, WarningEvent } from '../../lib/train/events.ts';
import { readRunLog } from '../../lib/train/log.ts';
import type { TrainOptions } from '../../lib/train/options.ts';
import { train } from '../../lib/train/train.ts';

const device = openDevice({ threads: 1 });
afterAll(() => device.dispose());

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-trouble-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function lossOf(loss: (w: Tensor) => Tensor, value = 1, size = 1): Problem {
  return {
    parameters: { w: { shape: [size], init: { kind: 'constant', value } } },
    loss: (p) => loss(p.w),
  };
}

async function run(
  problem: Problem,
  optimizer: Optimizer,
  options: TrainOptions,
  change: (objective: Objective) => void = () => {},
) {
  await using objective = await compile(device, problem);
  change(objective);
  const events: TrainEvent[] = [];
  for await (const event of train(objective, optimizer, options)) events.push(event);
  return {
    events,
    end: events.at(-1) as EndEvent,
    warnings: events.filter(({ type }) => type === 'warning') as WarningEvent[],
  };
}

const fourth = (w: Tensor) => sum(square(square(w)));

describe('what overflowed', () => {
  it.each<[string, Problem, TrainOptions]>([
    ['within a few steps', lossOf(fourth), { steps: 5 }],
    ['where no divergence is looked for', lossOf(fourth), { steps: 100, divergenceLimit: 'off' }],
    ['from a start at 0', lossOf((w) => fourth(sub(w, 1)), 0), { steps: 5 }],
  ])('in a state because θ ran away, %s, is a matter of η, which cures it', async (_, problem, options) => {
    const { end } = await run(problem, adam({ lr: 1e8 }), options);
    expect(end).toMatchObject({ reason: 'diverged', cause: 'state-not-finite' });
    expect(end.message).toContain('smaller η');
    expect(end.message).not.toContain('does not mend');
    expect((await run(problem, adam({ lr: 1e-3 }), options)).end.reason).toBe('completed');
  });

  it('in a state because θ ran away is said of the loss first, where that has risen for long enough', async () => {
    const { end } = await run(lossOf(fourth), adam({ lr: 1e8 }), { steps: 100 });
    expect(end).toMatchObject({ reason: 'diverged', cause: 'loss-rose', steps: 9 });
    expect(end.message).toContain('smaller η');
  });

  it('in a state because θ ran away down a loss that has no bottom is no matter of the scale either', async () => {
    const { end } = await run(
      lossOf((w) => neg(fourth(w))),
      adam({ lr: 1e8 }),
      { steps: 5 },
    );
    expect(end).toMatchObject({ reason: 'diverged', cause: 'state-not-finite' });
    expect(end.message).toContain('What may help: a smaller η');
  });

  it('in a state while θ is where it began is a matter of the scale', async () => {
    const v = await run(
      lossOf((w) => mul(1e25, sum(square(sub(w, 1)))), 0),
      adam({ lr: 0.1 }),
      { steps: 5 },
    );
    const m = await run(
      lossOf((w) => mul(2e38, sum(w))),
      gdm({ lr: 1e-45, beta: 0.9 }),
      { steps: 70 },
    );
    for (const { end } of [v, m]) {
      expect(end).toMatchObject({ reason: 'diverged', cause: 'state-not-finite' });
      expect(end.message).toContain('scale the loss');
      expect(end.message).not.toContain('What may help');
    }
  });

  it('in a derivative after θ ran away is a matter of η', async () => {
    // √(exp(−w²)) is √0 from w = 11 on.
    const problem = lossOf((w) => sum(add(square(w), sqrt(exp(neg(square(w)))))));
    const { end } = await run(problem, gd({ lr: 100 }), { steps: 50, divergenceLimit: 'off' });
    expect(end).toMatchObject({ reason: 'diverged', cause: 'gradient-not-finite' });
    expect(end.message).toContain('What may help: a smaller η');
    expect((await run(problem, gd({ lr: 0.1 }), { steps: 50 })).end.reason).toBe('completed');
  });
});

describe('an end', () => {
  const endless = (w: Tensor) => sum(add(mul(0, w), 1));

  it.each([
    ['without a folder', false],
    ['with one', true],
  ])('of an aborted run %s looks at the parameters that it leaves', async (_, kept) => {
    const abort = new AbortController();
    await using objective = await compile(
      device,
      lossOf((w) => sum(w)),
    );
    let end: EndEvent | undefined;
    const options = { steps: 100, signal: abort.signal, ...(kept && { out: folder }) };
    for await (const event of train(objective, gd({ lr: 1 }), options)) {
      if (event.type === 'step' && event.step === 9) abort.abort();
      if (event.type === 'end') end = event;
    }
    // 1 − 10
    expect(end).toMatchObject({ reason: 'aborted', steps: 10, squaredNorm: 81 });
  });

  it('of an aborted run whose parameters are not finite says so', async () => {
    const abort = new AbortController();
    const spoilt: Estimator = {
      name: 'spoilt',
      estimate: async ({ direction }) => {
        abort.abort();
        return {
          kind: 'directions',
          loss: 1,
          terms: [0, 1, 2].map((i) => ({ direction: direction(i), coefficient: 3e38 })),
        };
      },
    };
    const optimizer = { name: 'own', estimator: spoilt, rule: plain(), lr: 1 };
    const { end } = await run(lossOf(endless, 0, 100), optimizer, { steps: 100, signal: abort.signal });
    expect(end).toMatchObject({ reason: 'diverged', cause: 'parameters-not-finite', steps: 1, squaredNorm: null });
  });

  it('of a run that never had a checkpoint promises none', async () => {
    await using objective = await compile(device, lossOf(endless, 1, 4));
    const direction = { distribution: 'rademacher', seed: 1n, stream: 2n } as const;
    objective.params.add(direction, 3e38);
    objective.params.add({ ...direction, stream: 3n }, 3e38);
    const end = await train(objective, gd({ lr: 0.1 }), { steps: 3, out: folder });
    expect(end.reason).toBe('diverged');
    expect(end.message).not.toContain('checkpoint');
  });

  it('of a run that lost its parameters later says that the checkpoint is kept, after a resume, too', async () => {
    const problem = lossOf(fourth);
    const options = { steps: 1, out: folder };
    await run(problem, gd({ lr: 1e-3 }), options);
    const { end } = await run(problem, gd({ lr: 1e30 }), { ...options, steps: 100, resume: true });
    expect(end.message).toContain('The last finite checkpoint is kept.');
  });
});

describe('a run that stands still', () => {
  const still = (): [string, Optimizer][] => [
    ['zoGD', zoGD({ lr: 0.1 })],
    ['gd', gd({ lr: 0.1 })],
    [
      'an estimator of its own',
      {
        name: 'own',
        estimator: { name: 'nothing', estimate: async () => ({ kind: 'directions', loss: 1, terms: [] }) },
        rule: plain(),
        lr: 0.1,
      },
    ],
  ];

  it.each(still())('and is short is warned again when it is resumed, with %s', async (_, optimizer) => {
    // What is found about a plateau depends on the direction that is asked.
    const problem = lossOf((w) => sum(add(relu(sub(w, 2)), 1)), 1, 8);
    const options = { steps: 2, out: folder };
    const { warnings, end } = await run(problem, optimizer, options);
    expect(warnings).toHaveLength(1);
    const resumed = await run(problem, optimizer, { ...options, resume: true });
    expect(resumed.warnings).toEqual(warnings);
    expect(resumed.end.message).toBe(end.message);
    expect(readRunLog(folder).filter(({ type }) => type === 'warning')).toEqual(warnings);
  });

  it('in batches of all examples is one of no noise', async () => {
    const flat: Problem = {
      parameters: { w: { shape: [4], init: { kind: 'constant', value: 1 } } },
      data: { x: { shape: [200], data: new Float32Array(200) } },
      loss: (p, { x }) => add(mul(0, sum(p.w)), mul(0, sum(x))),
    };
    for (const [optimizer, expected] of [
      [gd({ lr: 0.1 }), 0],
      [gdm({ lr: 0.1 }), 0],
    ] as const) {
      expect((await run(flat, optimizer, { steps: 5, batch: 200 })).end.diffusion).toBe(expected);
      expect((await run(flat, optimizer, { steps: 5, batch: 199 })).end.diffusion).toBeNull();
    }
  });
});

describe('a question for which there is no memory', () => {
  const refuse = (code: 'ERR_ZEROTH_DEVICE' | 'ERR_ZEROTH_MEMORY') => (objective: Objective) => {
    const none = async () => {
      throw new ZerothError(code, 'device: cannot allocate.');
    };
    objective.params.snapshot = none;
    objective.params.read = none;
    objective.params.readState = none;
  };

  it.each(['ERR_ZEROTH_DEVICE', 'ERR_ZEROTH_MEMORY'] as const)(
    'is not asked, and the run goes on: %s',
    async (code) => {
      for (const optimizer of [zoGD({ lr: 0.1 }), gd({ lr: 0.1 })]) {
        const { end, warnings } = await run(
          lossOf((w) => sum(mul(0, w))),
          optimizer,
          { steps: 10 },
          refuse(code),
        );
        expect(end.reason).toBe('completed');
        expect(warnings).toMatchObject([{ code: 'estimate-zero', message: expect.stringContaining('no memory') }]);
      }
      const lost = await run(
        lossOf((w) => sum(log(w)), 1, 30),
        zoGD({ lr: 0.1, mu: 2 }),
        { steps: 5 },
        refuse(code),
      );
      expect(lost.end).toMatchObject({ reason: 'diverged', cause: 'loss-not-finite' });
      const state = await run(
        lossOf((w) => mul(1e20, sum(square(w)))),
        adam({ lr: 0.1 }),
        { steps: 5 },
        refuse(code),
      );
      expect(state.end).toMatchObject({
        cause: 'state-not-finite',
        message: expect.stringContaining('v is not finite'),
      });
    },
  );

  it('that fails otherwise is a failure', async () => {
    const broken = (objective: Objective) => {
      objective.params.snapshot = async () => {
        throw new ZerothError('ERR_ZEROTH_NATIVE', 'broken');
      };
    };
    const problem = lossOf((w) => sum(mul(0, w)));
    await expect(run(problem, zoGD({ lr: 0.1 }), { steps: 10 }, broken)).rejects.toMatchObject({
      code: 'ERR_ZEROTH_NATIVE',
    });
  });
});

describe('metrics', () => {
  it('are traced, planned and loaded once a run', async () => {
    let [traced, loaded] = [0, 0];
    const load = device.load.bind(device);
    const count = async (metrics: boolean) => {
      loaded = 0;
      device.load = (bytes) => {
        loaded += 1;
        return load(bytes);
      };
      try {
        const followed = (p: Record<string, Tensor>) => {
          traced += 1;
          return sum(p.w);
        };
        const options = { steps: 8, monitorEvery: 1, probes: 2, ...(metrics && { metrics: { followed } }) };
        const { events } = await run(lossOf(fourth), gd({ lr: 1e-3 }), options);
        return { monitors: events.filter(({ type }) => type === 'monitor') as MonitorEvent[], loaded };
      } finally {
        device.load = load;
      }
    };
    const without = await count(false);
    const followed = await count(true);
    expect(followed.monitors).toHaveLength(9);
    expect(new Set(followed.monitors.map(({ metrics }) => metrics?.followed)).size).toBe(9);
    expect(followed.loaded - without.loaded).toBe(1);
    // Its shape, and its plan.
    expect(traced).toBeLessThanOrEqual(2);
  });

  it('of a run that is stopped while it measures them are not waited for, and freed', async () => {
    const abort = new AbortController();
    await using objective = await compile(device, lossOf(fourth));
    const evaluation = objective.evaluation.bind(objective);
    const signals: (AbortSignal | undefined)[] = [];
    let disposed = 0;
    objective.evaluation = (f) => {
      const whole = evaluation(f);
      const at = whole.at.bind(whole);
      whole.at = (theta, signal) => {
        signals.push(signal);
        if (signals.length === 3) abort.abort();
        return at(theta, signal);
      };
      const dispose = whole.dispose.bind(whole);
      whole.dispose = () => {
        disposed += 1;
        dispose();
      };
      return whole;
    };
    const metrics = { sum: (p: Record<string, Tensor>) => sum(p.w) };
    const options = { steps: 50, monitorEvery: 1, probes: 2, metrics, signal: abort.signal };
    const events: TrainEvent[] = [];
    for await (const event of train(objective, gd({ lr: 1e-3 }), options)) events.push(event);
    expect(events.map(({ type }) => type)).toEqual(['run', 'monitor', 'step', 'end']);
    expect(events.at(-1)).toMatchObject({ reason: 'aborted', metrics: { sum: expect.any(Number) } });
    expect(disposed).toBe(1);
    expect(signals.slice(0, 3)).toEqual([abort.signal, abort.signal, abort.signal]);
  });
});
