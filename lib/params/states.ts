import type { Device, DeviceBuffer, DeviceProgram } from '../device/device.ts';
import { invalidArgument, ZerothError } from '../errors.ts';
import type { RuleStates, StateName } from '../optimizers/optimizer.ts';
import type { RuleProgram } from '../optimizers/rule-program.ts';
import type { RuleMemory } from './update.ts';

export type InitialStates = Readonly<Partial<Record<StateName, Float32Array>>>;

/** State vectors of an update rule, by name, each as long as θ; and its program. */
export class States implements RuleMemory {
  readonly #device: Device;
  readonly #length: number;
  readonly #buffers = new Map<StateName, DeviceBuffer>();

  #fixed: readonly StateName[] = [];
  #program: { readonly rule: RuleProgram; readonly loaded: readonly DeviceProgram[] } | undefined;

  constructor(device: Device, length: number) {
    this.#device = device;
    this.#length = length;
  }

  get buffers(): ReadonlyMap<StateName, DeviceBuffer> {
    return this.#buffers;
  }

  /** @throws ERR_ZEROTH_ARGUMENT where there is no such state. */
  of(name: StateName): DeviceBuffer {
    const state = this.#buffers.get(name);
    if (state) return state;
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `state '${name}': expected one that the update rule keeps; a run of train begins with its rule, and so does params.useRule.`,
    );
  }

  /** Whether no update changes it. */
  isFixed(name: StateName): boolean {
    return this.#fixed.includes(name);
  }

  /** @throws ERR_ZEROTH_ARGUMENT where it is another rule's. */
  programsOf(program: RuleProgram): readonly DeviceProgram[] {
    if (this.#program?.rule === program) return this.#program.loaded;
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      'update: expected one of the rule in use; call useRule with it first.',
    );
  }

  /** @throws ERR_ZEROTH_ARGUMENT */
  check({ states, initial = {}, fixed = [], program }: RuleStates): void {
    for (const name of [...Object.keys(initial), ...fixed])
      if (!states.includes(name)) invalidArgument('initial state', `one of the states ${states.join(', ')}`, name);
    for (const [name, values] of Object.entries(initial)) {
      if (!(values instanceof Float32Array) || values.length !== this.#length)
        invalidArgument(`initial state '${name}'`, `a Float32Array of ${this.#length} numbers`, values);
      // Of the rules that are built in; what a traced one does with a state of that name is its own affair.
      const divisor = name === 'p' && !program;
      const bad = values.findIndex((value) => !Number.isFinite(value) || (divisor && value === 0));
      if (bad >= 0)
        invalidArgument(`initial state '${name}'[${bad}]`, 'a finite number, of a divisor not 0', values[bad]);
    }
  }

  /** These and no others: as `initial`, which was checked, says; else zero. */
  async use({ states, initial = {}, fixed = [], program }: RuleStates): Promise<void> {
    const loaded = program && (await this.#load(program));
    this.dispose();
    this.#fixed = fixed;
    if (program && loaded) this.#program = { rule: program, loaded };
    for (const name of states) {
      const values = initial[name];
      const buffer = this.#device.allocate(this.#length * 4);
      this.#buffers.set(name, buffer);
      if (values) await buffer.write(values);
    }
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) buffer.dispose();
    this.#buffers.clear();
    for (const program of this.#program?.loaded ?? []) program.dispose();
    this.#program = undefined;
  }

  /** Once for each lane: each has an arena. All of them, or none. */
  async #load({ bytes }: RuleProgram): Promise<readonly DeviceProgram[]> {
    const lanes = Array.from({ length: this.#device.traits.lanes }, () => this.#device.load(bytes, 1));
    try {
      return await Promise.all(lanes);
    } catch (error) {
      for (const lane of await Promise.allSettled(lanes)) if (lane.status === 'fulfilled') lane.value.dispose();
      throw error;
    }
  }
}
