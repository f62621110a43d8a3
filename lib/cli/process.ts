import { exitCodes } from './exit-codes.ts';
import { runCli } from './program.ts';
import type { Session } from './session.ts';

/** Runs this process's command line: standard streams, Ctrl-C, the exit code. */
export async function runProcess(session: Session): Promise<void> {
  const abort = new AbortController();

  // The first signal lets the run write its checkpoint; the second does not wait for it.
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (abort.signal.aborted) process.exit(exitCodes.interrupted);
      abort.abort();
    });
  }

  // Whoever reads our output may stop early (`zeroth train … | head`): there is nobody left to tell, so stop quietly.
  let unheard = false;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      unheard = true;
      abort.abort();
    });
  }

  const code = await runCli(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    session,
    signal: abort.signal,
    now: () => performance.now(),
    debug: process.env.ZEROTH_DEBUG === '1',
  });
  process.exitCode = unheard ? exitCodes.error : code;
}
