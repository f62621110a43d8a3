import type { StateName } from '../../lib/optimizers/optimizer.ts';
import type { Params } from '../../lib/params/params.ts';

/** What the device holds, and θ and states with what waits for it: all that looking must not change by one bit. */
export async function held(params: Params, ...states: readonly StateName[]) {
  const vectors: Record<string, Float32Array> = { held: await params.theta.readF32(), theta: await params.read() };
  for (const name of states) vectors[name] = await params.readState(name);
  return vectors;
}
