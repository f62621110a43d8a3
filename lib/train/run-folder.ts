import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ZerothError } from '../errors.ts';
import type { Params } from '../params/params.ts';
import {
  type Checkpoint,
  type LoadedCheckpoint,
  loadCheckpoint,
  removeTornCheckpoints,
  saveCheckpoint,
} from './checkpoint.ts';
import type { TrainEvent } from './events.ts';
import { makeFolder } from './folder.ts';
import type { Identity } from './identity.ts';
import { lockFolder } from './lock.ts';
import { RUN_LOG, RunLog, runLogCut } from './log.ts';

/** The folder of a run while it is written: locked, with a log that grows and checkpoints that are replaced. */
export class RunFolder {
  readonly #path: string;
  readonly #unlock: () => void;
  #log: RunLog | undefined;
  #resumable = false;

  private constructor(path: string) {
    this.#path = path;
    this.#unlock = lockFolder(path);
  }

  /** A folder for a new run. @throws ERR_ZEROTH_FILE where there is one already, or where nothing can be written. */
  static create(path: string): RunFolder {
    makeFolder(path);
    const folder = new RunFolder(path);
    try {
      RunFolder.checkFree(path);
      folder.#log = new RunLog(join(path, RUN_LOG));
      return folder;
    } catch (error) {
      folder.close();
      throw error;
    }
  }

  /** Refuses a folder that holds a run, before anything is changed. @throws ERR_ZEROTH_FILE */
  static checkFree(path: string): void {
    if (!existsSync(join(path, RUN_LOG))) return;
    throw new ZerothError(
      'ERR_ZEROTH_FILE',
      `out: expected a folder without a run, received ${path}, which has a ${RUN_LOG}; resume it, remove it, or choose another folder.`,
    );
  }

  /**
   * The folder of a run that goes on from its checkpoint, of which the log is cut to what happened before.
   *
   * @param identity that the checkpoint must have, given the one that it has.
   * @param restore takes the checkpoint, once the log is known to be readable; where it throws, the log is left alone.
   * @throws ERR_ZEROTH_CHECKPOINT, ERR_ZEROTH_SAFETENSORS as `loadCheckpoint`; ERR_ZEROTH_LOG, ERR_ZEROTH_FILE for the log or the folder.
   */
  static async resume(
    path: string,
    identity: (was: Identity) => Identity,
    restore: (checkpoint: LoadedCheckpoint) => Promise<void>,
  ): Promise<RunFolder> {
    if (!existsSync(path)) {
      throw new ZerothError(
        'ERR_ZEROTH_FILE',
        `out: expected the folder of a run to resume, received ${path}, which does not exist; to begin a run, leave resume out.`,
      );
    }
    const folder = new RunFolder(path);
    try {
      const file = join(path, RUN_LOG);
      await removeTornCheckpoints(path);
      const checkpoint = await loadCheckpoint(path, identity);
      // A log that cannot be read is found before anything is changed.
      const cut = runLogCut(file, checkpoint.step);
      await restore(checkpoint);
      cut();
      folder.#log = new RunLog(file);
      folder.#resumable = true;
      return folder;
    } catch (error) {
      folder.close();
      throw error;
    }
  }

  /** Whether there is a checkpoint to go on from. */
  get resumable(): boolean {
    return this.#resumable;
  }

  append(event: TrainEvent): void {
    this.#log?.append(event);
  }

  /** Saves a checkpoint, once the log up to it is on the disk. */
  async save(checkpoint: Checkpoint, params: Params): Promise<void> {
    this.#log?.flush();
    await saveCheckpoint(this.#path, checkpoint, params);
    this.#resumable = true;
  }

  close(): void {
    try {
      this.#log?.close();
    } finally {
      this.#unlock();
    }
  }
}
