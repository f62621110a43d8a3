import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventFromLine } from '../../lib/train/event-fields.ts';
import type { RunEvent, TrainEvent } from '../../lib/train/events.ts';
import { RUN_LOG, RunLog, readRunLog, truncateRunLog } from '../../lib/train/log.ts';

const folder = mkdtempSync(join(tmpdir(), 'zeroth-log-'));
let files = 0;
const freshFile = () => join(folder, `${files++}.jsonl`);

const runEvent: RunEvent = {
  type: 'run',
  format: 2,
  zeroth: '0.1.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  name: 'eta = η, "quoted"\nand two lines',
  parameters: 12,
  examples: 3,
  batch: 'full',
  steps: 10,
  seed: '18446744073709551615',
  run: 0,
  monitor: { every: 0, probes: 16, auto: true, share: 0, note: 'too short' },
  optimizer: {
    name: 'gd',
    estimator: 'exact',
    rule: 'plain',
    lr: 0.1,
    stepSize: { name: 'constant', options: { lr: 0.1 } },
    options: { estimator: {}, rule: {} },
    moments: { s1: 1, s2: 0 },
  },
  device: { kind: 'cpu', description: 'a processor', isa: 'avx2', threads: 2 },
  squaredNorm: 50.5,
  memory: { arenaBytes: 1, parameterBytes: 48, displacement: 'copy' },
  meta: { nested: [1, 'ü', null] },
};
const resumeEvent = (step: number): TrainEvent => ({
  type: 'resume',
  step,
  startedAt: '2026-01-02T00:00:00.000Z',
  steps: 100,
  stepSize: { name: 'constant', options: { lr: 0.1 } },
  device: { kind: 'cpu', description: 'a processor', isa: 'avx2', threads: 2 },
  meta: {},
});

const real = fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => (Object.is(x, -0) ? 0 : x));
const stepAt = (step: number) =>
  fc.record({ type: fc.constant('step' as const), step: fc.constant(step), loss: real, lr: real }, {});
const monitorAt = (step: number) =>
  fc.record({
    type: fc.constant('monitor' as const),
    step: fc.constant(step),
    loss: real,
    lr: real,
    trace: real,
    traceStdErr: real,
    lambdaMax: real,
    lambdaMaxResidual: real,
    lambdaMin: real,
    lambdaMinResidual: real,
    negativeTrace: real,
    negativeTraceStdErr: real,
    preconditioned: fc.boolean(),
    governs: fc.constantFrom('trace' as const, 'lambdaMax' as const, null),
    limit: real,
    lower: real,
    upper: real,
    ratio: real,
    ratioStdErr: real,
    verdict: fc.constantFrom(
      'below' as const,
      'close' as const,
      'at' as const,
      'beyond' as const,
      'undecided' as const,
    ),
    hvps: fc.nat(),
    squaredNorm: real,
    diffusion: fc.option(real, { nil: null }),
  });
/** A run's events in the order in which `train` emits them: monitors before their step, checkpoints after it, perhaps an end. */
const runEvents: fc.Arbitrary<TrainEvent[]> = fc
  .tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 4 }), fc.boolean())
  .chain(([steps, every, ended]) => {
    const events: fc.Arbitrary<TrainEvent>[] = [fc.constant(runEvent), fc.constant({ type: 'checkpoint', step: 0 })];
    for (let step = 0; step < steps; step++) {
      if (step % every === 0) events.push(monitorAt(step));
      events.push(stepAt(step));
      if (step === 4) events.push(fc.constant({ type: 'warning', step, code: 'loss-flat', message: 'Flat.' }));
      if ((step + 1) % 3 === 0) events.push(fc.constant({ type: 'checkpoint', step: step + 1 }));
    }
    if (ended) {
      const message = 'Completed.';
      const end = {
        type: 'end',
        reason: 'completed',
        steps,
        seconds: 1,
        stepsPerSecond: 2,
        loss: null,
        squaredNorm: null,
        diffusion: null,
        message,
      } as const;
      events.push(fc.constant(end));
    }
    return fc.tuple(...events);
  });

const write = (file: string, events: readonly TrainEvent[]) => {
  const log = new RunLog(file);
  for (const event of events) log.append(event);
  log.close();
};
const code = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return 'nothing thrown';
};

describe('run log', () => {
  it('reads back exactly the events that were written, from the file or from its folder', () => {
    fc.assert(
      fc.property(runEvents, (events) => {
        const file = freshFile();
        write(file, events);
        expect(readRunLog(file)).toEqual(events);
      }),
      { seed: 1, numRuns: 50 },
    );
    const run = mkdtempSync(join(folder, 'run-'));
    write(join(run, RUN_LOG), [runEvent]);
    expect(readRunLog(run)).toEqual([runEvent]);
  });

  it('cut at any byte reads as a prefix of the events, short of at most the line that was cut', () => {
    fc.assert(
      fc.property(runEvents, fc.double({ min: 0, max: 1, noNaN: true }), (events, share) => {
        const file = freshFile();
        write(file, events);
        const bytes = readFileSync(file);
        const cut = Math.floor(share * bytes.length);
        writeFileSync(file, bytes.subarray(0, cut));
        const whole = bytes.subarray(0, cut).filter((byte) => byte === 10).length;
        expect(readRunLog(file)).toEqual(events.slice(0, whole));
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('cut back for a resume keeps what happened before the step and nothing else; cutting twice is cutting once', () => {
    fc.assert(
      fc.property(runEvents, fc.nat(14), fc.boolean(), (events, step, torn) => {
        const file = freshFile();
        write(file, events);
        if (torn) appendFileSync(file, '{"type":"step","st');
        truncateRunLog(file, step);
        const expected = events.filter((event) => {
          if (event.type === 'run') return true;
          return (event.type === 'end' ? event.steps : event.step) < step;
        });
        expect(readRunLog(file)).toEqual(expected);
        const once = readFileSync(file, 'utf8');
        expect(once.endsWith('\n')).toBe(true);
        truncateRunLog(file, step);
        expect(readFileSync(file, 'utf8')).toBe(once);
      }),
      { seed: 3, numRuns: 100 },
    );
  });

  it('goes on after a resume, and a second cut at the same step keeps the resume', () => {
    const file = freshFile();
    const steps = [0, 1, 2, 3].map((step) => ({ type: 'step' as const, step, loss: 1, lr: 0.1 }));
    write(file, [runEvent, ...steps]);
    truncateRunLog(file, 2);
    write(file, [resumeEvent(2), ...steps.slice(2)]);
    expect(readRunLog(file)).toEqual([runEvent, ...steps.slice(0, 2), resumeEvent(2), ...steps.slice(2)]);
    truncateRunLog(file, 2);
    expect(readRunLog(file)).toEqual([runEvent, ...steps.slice(0, 2), resumeEvent(2)]);
    truncateRunLog(file, 1);
    expect(readRunLog(file)).toEqual([runEvent, steps[0]]);
  });

  it('refuses to append behind a torn line', () => {
    const file = freshFile();
    write(file, [runEvent]);
    appendFileSync(file, '{"type":"st');
    expect(code(() => new RunLog(file))).toBe('ERR_ZEROTH_LOG');
    truncateRunLog(file, 0);
    write(file, [resumeEvent(0)]);
    expect(readRunLog(file)).toEqual([runEvent, resumeEvent(0)]);
  });

  it('has the coefficients of several directions, and NaN where one was not finite', () => {
    const line = { type: 'step', step: 0, loss: 1, lr: 0.1, coefficients: [1.5, null, -2] };
    expect(eventFromLine(line)).toMatchObject({ coefficients: [1.5, Number.NaN, -2] });
    for (const coefficients of [['1'], 1, { 0: 1 }])
      expect(() => eventFromLine({ ...line, coefficients })).toThrow(/coefficients/);
  });

  it('writes a number that is not finite as null, and reads it back as NaN', () => {
    const file = freshFile();
    write(file, [
      runEvent,
      { type: 'step', step: 0, loss: Number.POSITIVE_INFINITY, lr: 0.1, projectedGradient: Number.NaN },
    ]);
    expect(readFileSync(file, 'utf8')).toContain('"loss":null,"lr":0.1,"projectedGradient":null}\n');
    expect(readRunLog(file)[1]).toEqual({
      type: 'step',
      step: 0,
      loss: Number.NaN,
      lr: 0.1,
      projectedGradient: Number.NaN,
    });
  });

  it('reaches the file on its own when lines wait, and at once on flush', async () => {
    const file = freshFile();
    const log = new RunLog(file);
    log.append(runEvent);
    expect(readFileSync(file, 'utf8')).toBe('');
    log.flush();
    expect(readRunLog(file)).toEqual([runEvent]);
    log.append(resumeEvent(0));
    await expect.poll(() => readRunLog(file).length).toBe(2);
    // Larger than the buffer: written without waiting.
    for (let step = 0; step < 3000; step++) log.append({ type: 'step', step, loss: 1, lr: 0.1 });
    expect(readRunLog(file).length).toBeGreaterThan(1000);
    log.close();
    log.close();
    expect(readRunLog(file)).toHaveLength(3002);
    expect(code(() => log.append(runEvent))).toBe('ERR_ZEROTH_DISPOSED');
  });

  it('names the line that is broken in the middle, and what is wrong with it', () => {
    const good = JSON.stringify(runEvent);
    const cases: [string, RegExp][] = [
      [`${good}\n{"type":"step","st\n{"type":"checkpoint","step":1}\n`, /:2: .*JSON/],
      [`${good}\n\n`, /:2: /],
      [`${good}\n[]\n`, /:2: expected \{ type \}, received \[\]/],
      [`${good}\n{"type":"steps"}\n`, /:2: type: expected one of "run", "step",.* received "steps"/],
      [`${good}\n{"type":"toString"}\n`, /:2: type: /],
      [`${good}\n{"type":"checkpoint","step":-1}\n`, /:2: step: expected an integer ≥ 0, received -1/],
      [`${good}\n{"type":"step","step":0,"lr":1}\n`, /:2: loss: expected a number, received nothing/],
      [`${good}\n{"type":"step","step":0,"loss":"1","lr":1}\n`, /:2: loss: expected a number, received "1"/],
      [`${good}\n${good}\n`, /:2: expected one run event/],
      ['{"type":"checkpoint","step":1}\n', /:1: expected a log that opens with a run event, received checkpoint/],
      [`${good.replace('"format":2', '"format":1')}\n`, /:1: format: expected 2, received 1/],
      [
        `${good.replace('"s2":0', '"s2":null')}\n`,
        /:1: optimizer\.moments: expected \{ s1, s2 \} or null, received \{/,
      ],
      [`${good.replace('"batch":"full"', '"batch":"half"')}\n`, /:1: batch: expected an integer ≥ 0 or "full"/],
      [`${good.replace('"kind":"cpu"', '"kind":"tpu"')}\n`, /:1: device\.kind: expected one of "cpu", "cuda"/],
    ];
    for (const [text, message] of cases) {
      const file = freshFile();
      writeFileSync(file, text);
      expect(() => readRunLog(file), text).toThrow(
        expect.objectContaining({ code: 'ERR_ZEROTH_LOG', message: expect.stringMatching(message) }),
      );
      expect(code(() => truncateRunLog(file, 1))).toBe('ERR_ZEROTH_LOG');
      expect(readFileSync(file, 'utf8')).toBe(text);
    }
  });

  it('mutated at random either reads as events or throws ERR_ZEROTH_LOG', () => {
    const file = freshFile();
    write(file, [runEvent, { type: 'step', step: 0, loss: 1, lr: 0.1 }, { type: 'checkpoint', step: 1 }]);
    const bytes = readFileSync(file);
    const mutation = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }));
    let refused = 0;
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const mutated = Buffer.from(bytes);
        for (const [at, value] of mutations) mutated[at] = value;
        writeFileSync(file, mutated);
        const result = code(() => readRunLog(file));
        if (result === 'ERR_ZEROTH_LOG') refused += 1;
        expect(['ERR_ZEROTH_LOG', 'nothing thrown']).toContain(result);
      }),
      { seed: 4, numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(50);
  });

  it('says which file is missing, and refuses bad arguments', () => {
    expect(code(() => readRunLog(join(folder, 'none')))).toBe('ERR_ZEROTH_FILE');
    expect(code(() => readRunLog(mkdtempSync(join(folder, 'empty-'))))).toBe('ERR_ZEROTH_FILE');
    expect(code(() => new RunLog(join(folder, 'none', 'run.jsonl')))).toBe('ERR_ZEROTH_FILE');
    expect(code(() => readRunLog(''))).toBe('ERR_ZEROTH_ARGUMENT');
    expect(code(() => truncateRunLog(freshFile(), -1))).toBe('ERR_ZEROTH_ARGUMENT');
  });
});
