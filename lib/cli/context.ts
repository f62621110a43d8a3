import type { Session } from './session.ts';

/** The part of a writable stream that commands use. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Everything that a command touches outside itself; the process in `main.ts`, plain objects in tests. */
export interface CliContext {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly session: Session;
  /** How this program is typed, for lines that say what to type next. */
  readonly program: string;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly debug: boolean;
  /** The bundled plotting code of reports. Default: where the build puts it. */
  readonly reportClient?: string;
}
