/** What is put into an order, and how: jobs that read and write buffers. */

export interface Job {
  /** Buffers, each once. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Jobs that must come before, beside the writers of what it reads. */
  readonly after: readonly number[];
  /** A write that may take the memory of a read that dies here. */
  readonly reuses: readonly { readonly write: number; readonly read: number }[];
}

export interface ScheduleProblem {
  readonly jobs: readonly Job[];
  /** Bytes of each buffer. */
  readonly bytes: readonly number[];
  /** Whether a buffer is needed after the last job. */
  readonly kept: readonly boolean[];
}

export interface Schedule {
  readonly order: readonly number[];
  /** Most bytes live at once, with reuse. */
  readonly peak: number;
}

/** Who waits for whom: a job that reads a buffer waits for all who write it. One entry a read, a write or an `after`, so linear in the program. */
export interface Relations {
  /** Jobs that write each buffer, and that read it. */
  readonly writers: readonly (readonly number[])[];
  readonly readers: readonly (readonly number[])[];
  /** Jobs that name each job in their `after`. */
  readonly followers: readonly (readonly number[])[];
  /** How many buffers with writers, and jobs of `after`, each job waits for. */
  readonly waits: readonly number[];
}

/**
 * Work that planning may still do, in units of about one candidate looked at. Counted and never timed, so that plans are the same on every
 * machine; when it is used up, what searches goes on greedily.
 */
export interface Allowance {
  left: number;
}
