import type { TrainEvent } from '../train/events.ts';
import type { Measurement } from '../train/monitor.ts';
import type { TrainSettings } from './settings.ts';

/** Everything that the commands ask of the engine. `engine.ts` is the real one; tests pass their own. */
export interface Session {
  /** Opens the device, builds the preset and begins (or goes on with) the run. The iterable frees the device when it ends. */
  startRun(request: RunRequest): Promise<AsyncIterable<TrainEvent>>;
  /** Measures curvature at the checkpoint of a run. */
  measureCurvature(folder: string, options: CurvatureRequest): Promise<CurvatureMeasurement>;
  listDevices(): Promise<readonly DeviceListing[]>;
}

export interface RunRequest {
  readonly settings: TrainSettings;
  /** Run folder. */
  readonly out: string;
  /** Whether `out` holds the run to go on with. */
  readonly resume: boolean;
  readonly signal: AbortSignal;
}

export interface CurvatureRequest {
  /** The settings that the run's log holds. */
  readonly settings: TrainSettings;
  readonly probes: number;
  readonly signal: AbortSignal;
}

/** Curvature at a checkpoint, and where it stands against the edge. */
export type CurvatureMeasurement = Omit<Measurement, 'type'>;

export interface DeviceListing {
  readonly kind: 'cpu' | 'cuda';
  readonly available: boolean;
  /** For example the name of the processor, or why the device cannot be used. */
  readonly description: string;
  /** What else is known, in the order to show it. */
  readonly details: Readonly<Record<string, string>>;
}
