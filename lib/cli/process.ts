import { exitCodes } from './exit-codes.ts';
import { invocation } from './invocation.ts';
import { runCli } from './program.ts';
import { clearLine } from './progress.ts';
import type { Session } from './session.ts';

/** Runs this process's command line: standard streams, Ctrl-C, the exit code. */
export async function runProcess(session: Session): Promise<void> {
  const abort = new AbortController();

  // The first signal lets the run write its checkpoint; the second does not wait for it.
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (abort.signal.aborted) {
        // Nobody is left to take the progress line away.
        if (process.stdout.isTTY) process.stdout.write(clearLine);
        process.exit(exitCodes.interrupted);
      }
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
    program: invocation({ program: process.argv[1], env: process.env, cwd: process.cwd() }),
    signal: abort.signal,
    now: () => performance.now(),
    debug: process.env.ZEROTH_DEBUG === '1',
  });
  process.exitCode = unheard ? exitCodes.error : code;
}
