import { ZerothError } from '../errors.ts';
import { readRunLog } from '../train/log.ts';
import { presetNames } from './presets.ts';
import type { TrainSettings } from './settings.ts';

/**
 * The settings with which `zeroth train` began the run in `folder`.
 *
 * @throws ERR_ZEROTH_LOG when the log has none: a run made by the API, which only its own program can rebuild.
 */
export function loggedSettings(folder: string): TrainSettings {
  const run = readRunLog(folder).find((event) => event.type === 'run');
  const settings = run?.meta.settings as TrainSettings | undefined;
  if (typeof settings !== 'object' || settings === null || !presetNames.includes(settings.preset)) {
    throw new ZerothError(
      'ERR_ZEROTH_LOG',
      `${folder}: expected the log of a run that "zeroth train" began (with meta.settings), received one without. Only the program that made it can rebuild its model.`,
    );
  }
  return settings;
}
