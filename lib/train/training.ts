import { ZerothError } from '../errors.ts';
import type { EndEvent, TrainEvent } from './events.ts';

/**
 * A run that can be looped over, event by event, or awaited to its end. Nothing happens until one or the other is done.
 *
 *     for await (const event of train(…)) …       every event; leaving the loop stops the run where it is
 *     const end = await train(…)                  the end event, also of a run that diverged or was stopped by its signal
 *
 * Both together are fine: whoever awaits drives the run, and the loop still gets every event, in order. There is one loop at most, and it
 * has to begin before the events have gone by; a loop that comes too late is ERR_ZEROTH_ARGUMENT. What makes the run fail is thrown to
 * whoever loops and whoever awaits. To await a run whose loop was left is ERR_ZEROTH_ABORTED. An async function that returns a `Training`
 * runs it, as it would await any promise: return it in an object to hand it on unused.
 */
export class Training implements AsyncIterableIterator<TrainEvent, void>, Promise<EndEvent> {
  readonly [Symbol.toStringTag] = 'Training';
  readonly #events: AsyncGenerator<TrainEvent, void>;
  #end: EndEvent | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** The failure met whoever awaits, and the loop has yet to hear of it. */
  #untold = false;
  /** Somebody takes the events one by one. */
  #taken = false;
  #looped = false;
  /** Events went by that nobody took. */
  #missed = false;
  /** The run to its end, for those who await it. */
  #whole: Promise<EndEvent> | undefined;
  /** While somebody awaits: the event under way, and those that the loop has not asked for yet. */
  #coming: Promise<unknown> | undefined;
  #kept: TrainEvent[] = [];

  /** @internal Use `train`. */
  constructor(events: AsyncGenerator<TrainEvent, void>) {
    this.#events = events;
  }

  /** @throws ERR_ZEROTH_ARGUMENT for a second loop. */
  [Symbol.asyncIterator](): this {
    if (this.#looped) {
      throw new ZerothError(
        'ERR_ZEROTH_ARGUMENT',
        'train: expected one loop over a run, received a second: its events go by once. Call train again for another run.',
      );
    }
    this.#looped = true;
    this.#take();
    return this;
  }

  /** The next event, done after the end. */
  async next(): Promise<IteratorResult<TrainEvent, void>> {
    this.#take();
    while (this.#kept.length === 0 && this.#coming) await this.#coming.catch(() => {});
    const value = this.#kept.shift();
    if (value) return { done: false, value };
    if (this.#untold) {
      this.#untold = false;
      throw this.#failure?.error;
    }
    return this.#pull();
  }

  /** Stops the run where it is, without a last checkpoint. */
  async return(): Promise<IteratorResult<TrainEvent, void>> {
    this.#kept = [];
    return this.#events.return();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  // biome-ignore lint/suspicious/noThenProperty: to be awaited is what it is for.
  then<Value = EndEvent, Reason = never>(
    fulfilled?: ((end: EndEvent) => Value | PromiseLike<Value>) | null,
    rejected?: ((reason: unknown) => Reason | PromiseLike<Reason>) | null,
  ): Promise<Value | Reason> {
    this.#whole ??= this.#drive();
    return this.#whole.then(fulfilled, rejected);
  }

  catch<Reason = never>(
    rejected?: ((reason: unknown) => Reason | PromiseLike<Reason>) | null,
  ): Promise<EndEvent | Reason> {
    return this.then(undefined, rejected);
  }

  finally(settled?: (() => void) | null): Promise<EndEvent> {
    return this.then().finally(settled);
  }

  #take(): void {
    if (this.#missed && !this.#taken) {
      throw new ZerothError(
        'ERR_ZEROTH_ARGUMENT',
        'train: expected a loop that begins before the run is awaited, received one after: its events have gone by. Loop first, or read its log.',
      );
    }
    this.#taken = true;
  }

  async #pull(): Promise<IteratorResult<TrainEvent, void>> {
    try {
      const result = await this.#events.next();
      if (!result.done && result.value.type === 'end') this.#end = result.value;
      return result;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  async #drive(): Promise<EndEvent> {
    try {
      for (;;) {
        const pull = this.#pull();
        this.#coming = pull;
        const { done, value } = await pull;
        if (done) break;
        if (this.#taken) this.#kept.push(value);
        else this.#missed = true;
      }
    } catch (error) {
      this.#untold = true;
      throw error;
    } finally {
      this.#coming = undefined;
    }
    if (this.#end) return this.#end;
    if (this.#failure) throw this.#failure.error;
    throw new ZerothError(
      'ERR_ZEROTH_ABORTED',
      'train: expected a run that goes to its end, received one whose loop was left before: there is no end to wait for. ' +
        'End it by its `signal`, or loop to the end.',
    );
  }
}
