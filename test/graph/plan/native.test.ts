import { describe, expect, it } from 'vitest';
import { CommandList, type InputBinding, type OutputBinding } from '../../../lib/device/commands.ts';
import { openDevice } from '../../../lib/device/device.ts';
import { evaluateReference } from '../../../lib/graph/reference.ts';
import { randomGraph } from './random.ts';
import { planOf, valuesFor } from './support.ts';

describe('plans on the CPU', () => {
  it('are accepted and compute what the f64 reference says, on random graphs', async () => {
    await using device = openDevice({ threads: 2 });
    for (let seed = 0; seed < 250; seed++) {
      const graph = randomGraph(7919 * seed + 13, 1 + (seed % 40));
      // Data that f32 holds exactly.
      const data = valuesFor(graph, seed).map((values, i) =>
        graph.inputs[i].dtype === 'i32' ? Int32Array.from(values) : Float32Array.from(values),
      );
      const made = planOf(graph);
      const program = await device.load(made.bytes);
      const inputs: InputBinding[] = [];
      for (const values of data) inputs.push({ buffer: await device.upload(values), byteOffset: 0 });
      const buffers = made.outputs.map(({ elements }) => device.allocate(4 * elements));
      const outputs = made.outputs.map(({ dtype, elements }, slot): OutputBinding => {
        if (dtype === 'f64') return { mode: 'addToSlot', slot, weight: 1 };
        const whole = { offset: 0, rowLength: elements, rowStride: elements, weight: 1 };
        return { mode: 'store', buffer: buffers[slot], ...whole };
      });
      const scalars = await device.submit(new CommandList(outputs.length).call(program, inputs, outputs));
      const expected = evaluateReference(graph, data);
      for (const [i, { dtype }] of made.outputs.entries()) {
        const received = dtype === 'f64' ? scalars.subarray(i, i + 1) : await buffers[i].readF32();
        const scale = expected[i].reduce((most, x) => Math.max(most, Math.abs(x)), 1);
        const error = expected[i].reduce((most, x, j) => Math.max(most, Math.abs(x - received[j])), 0);
        expect(error / scale, `seed ${seed}, output ${i}`).toBeLessThan(1e-5);
      }
      for (const held of [program, ...buffers, ...inputs.map(({ buffer }) => buffer)]) held.dispose();
    }
  });
});
