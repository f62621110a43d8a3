import type { CliContext, TextStream } from '../../lib/cli/context.ts';
import { makeOptimizer } from '../../lib/cli/optimizer-options.ts';
import { runCli } from '../../lib/cli/program.ts';
import type { RunRequest, Session } from '../../lib/cli/session.ts';
import { edgeOfStability } from '../../lib/stability/edge.ts';
import type { TrainEvent } from '../../lib/train/events.ts';
import { type SyntheticRun, syntheticRun, writeRunFolder } from '../report/synthetic-run.ts';

export class TextSink implements TextStream {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number;

  constructor({ isTTY = false, columns = 80 }: { isTTY?: boolean; columns?: number } = {}) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(text: string): boolean {
    this.text += text;
    return true;
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

/** A session that "trains" made-up runs and writes their logs, and remembers what it was asked. */
export class FakeSession implements Session {
  readonly requests: RunRequest[] = [];
  readonly #run: (request: RunRequest) => SyntheticRun;

  constructor(run: (request: RunRequest) => SyntheticRun = () => ({})) {
    this.#run = run;
  }

  async startRun(request: RunRequest): Promise<AsyncIterable<TrainEvent>> {
    this.requests.push(request);
    const { settings, out, signal } = request;
    const { lr, steps, preset: name, seed, monitorEvery } = settings;
    const events = syntheticRun({
      lr: lr[0].lr,
      steps,
      name,
      seed,
      monitorEvery: typeof monitorEvery === 'number' ? monitorEvery : monitorEvery === 'off' ? 0 : 250,
      meta: { settings },
      ...this.#run(request),
    });
    return (async function* () {
      const log: TrainEvent[] = [];
      for (const event of events) {
        const stopped: TrainEvent = {
          type: 'end',
          reason: 'aborted',
          steps: 0,
          seconds: 1,
          stepsPerSecond: 1,
          loss: 1,
          squaredNorm: 50,
          diffusion: 0,
          message: 'Stopped.',
        };
        const next = signal.aborted ? stopped : event;
        log.push(next);
        yield next;
        if (next === stopped) break;
      }
      writeRunFolder(out, log);
    })();
  }

  async measureCurvature(_folder: string, { settings, probes }: Parameters<Session['measureCurvature']>[1]) {
    const curvature = {
      trace: 38,
      traceStdErr: 1,
      lambdaMax: 4,
      lambdaMaxResidual: 0.01,
      lambdaMin: -0.1,
      lambdaMinResidual: 0.02,
      negativeTrace: 0.5,
      negativeTraceStdErr: 0.1,
    };
    const optimizer = makeOptimizer(settings);
    const { batch } = settings;
    return {
      step: settings.steps,
      loss: 0.1,
      lr: settings.lr[0].lr,
      preconditioned: false,
      ...curvature,
      ...edgeOfStability(curvature, optimizer, { batch, examples: 1000 }),
      hvps: probes + 20,
      squaredNorm: 50,
      diffusion: 0,
    };
  }

  async listDevices() {
    return [
      { kind: 'cpu', available: true, description: 'a processor', details: { isa: 'avx2', threads: '2' } },
      { kind: 'cuda', available: false, description: 'no driver found', details: {} },
    ] as const;
  }
}

export interface CliResult {
  readonly code: number;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly session: FakeSession;
}

/** Runs a command line in this process. A clock that advances a millisecond a look keeps progress deterministic. */
export async function zeroth(
  args: readonly string[],
  overrides: Partial<CliContext> & { session?: FakeSession; stdout?: TextSink } = {},
): Promise<CliResult> {
  const { stdout = new TextSink(), session = new FakeSession(), ...rest } = overrides;
  const stderr = new TextSink();
  let clock = 0;
  const context: CliContext = {
    stdout,
    stderr,
    session,
    signal: new AbortController().signal,
    program: 'zeroth',
    now: () => clock++,
    debug: false,
    ...rest,
  };
  return { code: await runCli(args, context), stdout, stderr, session };
}
