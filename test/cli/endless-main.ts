import { runProcess } from '../../lib/cli/process.ts';
import { syntheticRun } from '../report/synthetic-run.ts';
import { FakeSession } from './fixtures.ts';

/** The command line with a session whose runs go on until they are stopped, and which may take its time to stop. */
const session = new FakeSession();
session.startRun = async ({ signal, out }) => {
  const [run, monitor, step] = syntheticRun({ steps: 1 });
  return (async function* () {
    yield run;
    yield monitor;
    for (let i = 0; !signal.aborted; i++) {
      yield { ...step, step: i } as typeof step;
      // Signals and broken pipes are told in the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (out === 'stubborn') {
      process.stderr.write('told to stop\n');
      await new Promise((resolve) => setTimeout(resolve, 1e9));
    }
    yield {
      type: 'end',
      reason: 'aborted',
      steps: 1,
      seconds: 1,
      stepsPerSecond: 1,
      loss: 1,
      squaredNorm: 50,
      diffusion: 0,
      message: 'Stopped in time.',
    };
  })();
};
await runProcess(session);
