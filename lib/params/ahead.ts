import type { PassTerm } from '../device/commands.ts';
import type { DeviceBuffer } from '../device/device.ts';
import type { StateName, Term, Update } from '../optimizers/optimizer.ts';
import type { Pending } from './params.ts';

/** An update whose coefficients the device will have measured: coefficient × result slot. */
export interface FedUpdate {
  readonly update: Update;
  readonly terms: readonly (PassTerm & { readonly slot: number })[];
  readonly lr: number;
}

/** One of its updates, measured. */
export interface TakenUpdate {
  readonly update: Update;
  readonly terms: readonly Term[];
  readonly lr: number;
}

/**
 * A stretch of steps that the device takes by itself, its coefficients fed from result slots. The device then stands at the stretch's end,
 * while who trains goes through its steps one by one (`took`). Whoever looks at the parameters in between, or changes them, finds them where
 * the steps that were gone through have led: `Params` goes back to the copies made at the beginning, does these updates again, and the
 * stretch is over. A pass changes no bit when it is cut in two, so neither does going back.
 */
export class Ahead {
  /** Copies of θ and the states at the beginning. */
  readonly base: ReadonlyMap<'theta' | StateName, DeviceBuffer>;
  /** What waited then. */
  readonly before: readonly Pending[];
  /** The update that the next pass does first; all but the last are done by the device. */
  next: FedUpdate | undefined;
  planned = 0;
  readonly taken: TakenUpdate[] = [];
  #over = false;

  constructor(base: ReadonlyMap<'theta' | StateName, DeviceBuffer>, before: readonly Pending[]) {
    this.base = base;
    this.before = before;
  }

  /** Whether nothing that it says of the parameters holds any more: its end was reached, or somebody came between. */
  get over(): boolean {
    return this.#over;
  }

  end(): void {
    this.#over = true;
  }
}
