import type { WarningCode, WarningEvent } from './events.ts';

/** What a run has been warned of: of each thing once, also where it is resumed. */
export class Warnings {
  #all: readonly WarningEvent[] = [];
  /** Those that nobody has been told of. */
  #news: WarningEvent[] = [];

  get all(): readonly WarningEvent[] {
    return this.#all;
  }

  add(step: number, code: WarningCode, message: string): void {
    if (this.#all.some((warning) => warning.code === code)) return;
    const warning: WarningEvent = { type: 'warning', step, code, message };
    this.#all = [...this.#all, warning];
    this.#news.push(warning);
  }

  /** Warnings since the last call. */
  take(): WarningEvent[] {
    return this.#news.splice(0);
  }

  restore(all: readonly WarningEvent[]): void {
    this.#all = all;
  }
}
