import { CommandList, type OutputBinding } from '../../../lib/device/commands.ts';
import type { Device, DeviceBuffer } from '../../../lib/device/device.ts';
import type { Graph } from '../../../lib/graph/node.ts';
import type { Plan } from '../../../lib/graph/plan/plan.ts';
import { planOf } from './support.ts';

/** Runs a graph on a device: one array an output, scalars (f64) as arrays of one number. Inputs are rounded to their dtype. */
export async function runNative(
  device: Device,
  graph: Graph,
  inputs: readonly (Float64Array | Float32Array | Int32Array)[],
  made: Plan = planOf(graph),
): Promise<(Float64Array | Float32Array)[]> {
  const program = await device.load(made.bytes);
  const uploaded: DeviceBuffer[] = [];
  for (const [i, values] of inputs.entries()) {
    const typed = graph.inputs[i].dtype === 'i32' ? Int32Array.from(values) : Float32Array.from(values);
    uploaded.push(await device.upload(typed));
  }
  const bindings = uploaded.map((buffer) => ({ buffer, byteOffset: 0 }));
  const buffers = made.outputs.map(({ elements }) => device.allocate(4 * elements));
  const outputs = made.outputs.map(({ dtype, elements }, slot): OutputBinding => {
    if (dtype === 'f64') return { mode: 'addToSlot', slot, weight: 1 };
    const whole = { byteOffset: 0, rowLength: elements, byteStride: 4 * elements, weight: 1 };
    return { mode: 'store', buffer: buffers[slot], ...whole };
  });
  const scalars = await device.submit(new CommandList(outputs.length).call(program, bindings, outputs));
  const results: (Float64Array | Float32Array)[] = [];
  for (const [i, { dtype }] of made.outputs.entries()) {
    results.push(dtype === 'f64' ? scalars.slice(i, i + 1) : await buffers[i].readF32());
  }
  for (const held of [program, ...buffers, ...uploaded]) held.dispose();
  return results;
}
