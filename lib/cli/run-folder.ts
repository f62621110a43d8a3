import { ZerothError } from '../errors.ts';
import type { MonitorEvent } from '../train/events.ts';
import { readRunLog } from '../train/log.ts';
import { presetNames } from './presets.ts';
import type { TrainSettings } from './settings.ts';

/** The settings with which `zeroth train` began the run in `folder`, or went on with it last; undefined for a run made by the API. */
export function settingsIn(folder: string): TrainSettings | undefined {
  const sittings = readRunLog(folder).filter((event) => event.type === 'run' || event.type === 'resume');
  const settings = sittings.map(({ meta }) => meta.settings as TrainSettings | undefined).findLast(isSettings);
  const last = sittings.at(-1);
  return settings && last && { ...settings, steps: last.steps };
}

function isSettings(settings: TrainSettings | undefined): boolean {
  return typeof settings === 'object' && settings !== null && presetNames.includes(settings.preset);
}

/** As `settingsIn`. @throws ERR_ZEROTH_LOG for a run made by the API, which only its own program can rebuild. */
export function loggedSettings(folder: string): TrainSettings {
  const settings = settingsIn(folder);
  if (settings) return settings;
  throw new ZerothError(
    'ERR_ZEROTH_LOG',
    `${folder}: expected the log of a run that "zeroth train" began (with meta.settings), received one without. Only the program that made it can rebuild its model.`,
  );
}

/**
 * The last measurement in the log of a run that the API made: only the program that made it can rebuild its model and measure again.
 *
 * @throws ERR_ZEROTH_LOG when nothing was measured, with the reason that the log gives.
 */
export function loggedMeasurement(folder: string): { measured: MonitorEvent; batch: number | 'full' } {
  const events = readRunLog(folder);
  const run = events.find((event) => event.type === 'run');
  const measured = events.findLast((event) => event.type === 'monitor');
  if (run && measured) return { measured, batch: run.batch };
  const why = run?.monitor.note ?? 'It measured nothing yet, or was told not to (monitorEvery).';
  throw new ZerothError(
    'ERR_ZEROTH_LOG',
    `${folder}: expected measurements in the log of a run that the API made, received none, and only the program that made it can rebuild its model. ${why}`,
  );
}
