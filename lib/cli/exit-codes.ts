import { CommanderError } from 'commander';
import { ZerothError } from '../errors.ts';

/** What the process says to its caller. `interrupted` is the shell's convention for Ctrl-C, 128 + SIGINT. */
export const exitCodes = { done: 0, error: 1, usage: 2, diverged: 3, interrupted: 130 } as const;

/** A wrong command line: shown with a pointer to `--help`, exit code 2. */
export function usageError(message: string): ZerothError {
  return new ZerothError('ERR_ZEROTH_USAGE', message);
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (error instanceof ZerothError) {
    // All arguments here come from the command line.
    if (error.code === 'ERR_ZEROTH_USAGE' || error.code === 'ERR_ZEROTH_ARGUMENT') return exitCodes.usage;
    if (error.code === 'ERR_ZEROTH_DIVERGED') return exitCodes.diverged;
    if (error.code === 'ERR_ZEROTH_ABORTED') return exitCodes.interrupted;
  }
  return exitCodes.error;
}

/** An error as a person should see it: code and message, and the stack only where ZEROTH_DEBUG=1 asks for it. */
export function errorText(error: unknown, debug: boolean): string {
  if (debug && error instanceof Error) return `${error.stack ?? error.message}${causes(error)}\n`;
  if (error instanceof Error) {
    const code = (error as { code?: unknown }).code;
    return `error${typeof code === 'string' ? ` ${code}` : ''}: ${error.message}\n`;
  }
  return `error: ${String(error)}\n`;
}

function causes(error: Error): string {
  return error.cause instanceof Error
    ? `\ncaused by ${error.cause.stack ?? error.cause.message}${causes(error.cause)}`
    : '';
}
