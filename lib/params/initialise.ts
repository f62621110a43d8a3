import { CommandList } from '../device/commands.ts';
import type { Device } from '../device/device.ts';
import { ELEMENT_BYTES } from '../graph/plan/format.ts';
import { hostArray } from '../host-memory.ts';
import { checkSpec, initialValues, isArrayInit, type ParameterSpec } from '../nn/parameters.ts';
import { stream } from '../random/direction.ts';
import { Layout } from './layout.ts';
import { type Displacement, Params } from './params.ts';

/**
 * Parameters on a device, initialised from one seed: tensor i (in the order of declaration) draws elements 0, 1, … of the
 * initialisation stream i, so the values do not depend on the device, on the threads, or on the other tensors.
 */
export async function createParams(
  device: Device,
  specs: Readonly<Record<string, ParameterSpec>>,
  seed: bigint,
  displacement: Displacement,
): Promise<Params> {
  const layout = new Layout(specs);
  for (const [name, spec] of Object.entries(specs)) checkSpec(name, spec);
  const params = new Params(device, layout, displacement);
  const list = new CommandList();
  const given: { readonly at: number; readonly values: Float32Array }[] = [];
  for (const [i, { name, offset, size }] of params.layout.tensors.entries()) {
    const byteOffset = offset * ELEMENT_BYTES.f32;
    const { init } = specs[name];
    if (isArrayInit(init)) {
      given.push({ at: byteOffset, values: initialValues(name, specs[name]) });
      continue;
    }
    const direction = { seed, stream: stream('initialisation', i) };
    switch (init.kind) {
      case 'uniform':
        list.fill(params.theta, byteOffset, { ...direction, distribution: 'uniform' }, 0, size, init.bound);
        break;
      case 'normal':
        list.fill(params.theta, byteOffset, { ...direction, distribution: 'normal' }, 0, size, init.std);
        break;
      case 'constant':
        if (init.value !== 0) given.push({ at: byteOffset, values: constant(name, size, init.value) });
        break;
    }
  }
  // Nothing is under way while one of them may still fail to be made.
  const writes = given.map(({ at, values }) => params.theta.write(values, at));
  await Promise.all([...writes, device.submit(list)]);
  return params;
}

function constant(name: string, size: number, value: number): Float32Array {
  return hostArray(Float32Array, size, `the initial values of '${name}', ${size} numbers`, 'use a smaller shape').fill(
    value,
  );
}
