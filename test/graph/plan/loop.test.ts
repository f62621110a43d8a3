import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandList } from '../../../lib/device/commands.ts';
import { openDevice } from '../../../lib/device/device.ts';
import { decode } from '../../../lib/graph/plan/decode.ts';
import { encode, type Program } from '../../../lib/graph/plan/encode.ts';
import { MAX_LOOP_DEPTH } from '../../../lib/graph/plan/format.ts';
import {
  destinationsOf,
  type Instruction,
  type LoopInstruction,
  mapRefs,
  type Ref,
  sourcesOf,
} from '../../../lib/graph/plan/instruction.ts';
import { runProgramReference } from '../../../lib/graph/plan/interpret.ts';
import { random } from './support.ts';

const [ROWS, WIDTH] = [5, 3];
const arena = (offset: number): Ref => ({ space: 0, offset });

const copy = (from: Ref, to: Ref): Instruction => ({
  kind: 'map',
  dims: [WIDTH],
  reads: [{ dtype: 'f32', ref: from, strides: [1] }],
  ops: [],
  writes: [{ dtype: 'f32', ref: to, register: 0, strides: [1] }],
});

/** carry = tanh(W carry) + x, in row vectors; `scratch` holds the product. */
const cell = (weight: Ref, x: Ref, carry: Ref, scratch: Ref): Instruction[] => [
  {
    kind: 'matmul',
    ...{ batch: 1, m: 1, n: WIDTH, k: WIDTH, transposeA: false, transposeB: false },
    ...{ a: carry, aBatchStride: 0, b: weight, bBatchStride: 0, destination: scratch },
  },
  {
    kind: 'map',
    dims: [WIDTH],
    reads: [scratch, x].map((ref) => ({ dtype: 'f32', ref, strides: [1] })),
    ops: [
      { op: 'tanh', operands: [0], immediate: 0 },
      { op: 'add', operands: [2, 1], immediate: 0 },
    ],
    writes: [{ dtype: 'f32', ref: carry, register: 3, strides: [1] }],
  },
];

/** Inputs: W, the first carry, and ROWS × ROWS × WIDTH numbers x. The outer loop goes through x forwards or in reverse, the inner one the other way. */
function nested(reverse: boolean): Program {
  const [carry, scratch, stacked] = [arena(0), arena(16), arena(32)];
  const inner: LoopInstruction<Ref> = {
    kind: 'loop',
    trips: ROWS,
    reverse: !reverse,
    windows: [
      { ref: { space: 4, offset: 0 }, step: WIDTH, words: WIDTH, written: false },
      { ref: { space: 5, offset: 0 }, step: WIDTH, words: WIDTH, written: true },
    ],
    body: [
      ...cell({ space: 1, offset: 0 }, { space: 6, offset: 0 }, carry, scratch),
      copy(carry, { space: 7, offset: 0 }),
    ],
  };
  const outer: LoopInstruction<Ref> = {
    kind: 'loop',
    trips: ROWS,
    reverse,
    windows: [
      { ref: { space: 3, offset: 0 }, step: ROWS * WIDTH, words: ROWS * WIDTH, written: false },
      { ref: stacked, step: ROWS * WIDTH, words: ROWS * WIDTH, written: true },
    ],
    body: [copy({ space: 2, offset: 0 }, carry), inner],
  };
  const elements = ROWS * ROWS * WIDTH;
  return {
    arenaBytes: 4 * (32 + elements),
    inputs: [WIDTH * WIDTH, WIDTH, elements].map((count) => ({ dtype: 'f32', elements: count })),
    outputs: [
      { dtype: 'f32', elements, ref: stacked },
      { dtype: 'f32', elements: WIDTH, ref: carry },
    ],
    instructions: [outer],
  };
}

function expected(reverse: boolean, [weight, first, x]: readonly Float32Array[]): number[][] {
  const stacked = new Array<number>(x.length);
  let carry: number[] = [];
  const order = (backwards: boolean) => [...Array(ROWS).keys()].map((t) => (backwards ? ROWS - 1 - t : t));
  for (const i of order(reverse)) {
    carry = [...first];
    for (const j of order(!reverse)) {
      const at = (i * ROWS + j) * WIDTH;
      const before = carry;
      carry = before.map((_, n) => {
        const product = before.reduce((sum, value, k) => sum + value * weight[k * WIDTH + n], 0);
        return Math.tanh(product) + x[at + n];
      });
      carry.forEach((value, n) => {
        stacked[at + n] = value;
      });
    }
  }
  return [stacked, carry];
}

describe('a loop', () => {
  const values = () => {
    const next = random(1);
    return nested(false).inputs.map(({ elements }) => Float32Array.from({ length: elements }, () => next() - 0.5));
  };

  it.each([false, true])(
    'computes its body row by row, one in another, in f64 and on the device (reverse %s)',
    async (reverse) => {
      const program = nested(reverse);
      const [bytes, inputs] = [encode(program), values()];
      const close = (received: readonly ArrayLike<number>[], tolerance: number) =>
        expected(reverse, inputs).forEach((numbers, i) => {
          expect(received[i].length).toBe(numbers.length);
          const error = numbers.reduce((most, value, j) => Math.max(most, Math.abs(value - received[i][j])), 0);
          expect(error).toBeLessThan(tolerance);
        });
      close(runProgramReference(bytes, inputs), 1e-14);
      for (const threads of [1, 2]) {
        await using device = openDevice({ threads });
        const bindings = await Promise.all(
          inputs.map(async (array) => ({ buffer: await device.upload(array), byteOffset: 0 })),
        );
        const buffers = program.outputs.map(({ elements }) => device.allocate(4 * elements));
        const outputs = program.outputs.map(({ elements }, i) => ({
          ...{ mode: 'store' as const, buffer: buffers[i], byteOffset: 0, weight: 1 },
          ...{ rowLength: elements, byteStride: 4 * elements },
        }));
        await device.submit(new CommandList(0).call(await device.load(bytes), bindings, outputs));
        close(await Promise.all(buffers.map((buffer) => buffer.readF32())), 1e-6);
      }
    },
  );

  it('is the same again when its words are read, however deep it is', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    const ref = fc.record({ space: word, offset: word });
    const iota = fc.record({
      ...{ kind: fc.constant('iota' as const), dtype: fc.constantFrom('f32' as const, 'i32' as const) },
      ...{ outer: word, n: word, inner: word, destination: ref },
    });
    const { instruction } = fc.letrec<{ instruction: Instruction; loop: Instruction }>((tie) => ({
      instruction: fc.oneof({ maxDepth: 3 }, iota, tie('loop')),
      loop: fc.record({
        kind: fc.constant('loop' as const),
        ...{ trips: word, reverse: fc.boolean() },
        windows: fc.array(fc.record({ ref, step: word, words: word, written: fc.boolean() }), { maxLength: 3 }),
        body: fc.array(tie('instruction'), { maxLength: 3 }),
      }),
    }));
    fc.assert(
      fc.property(fc.array(instruction, { maxLength: 3 }), (instructions) => {
        const program = { arenaBytes: 64, inputs: [], outputs: [], instructions };
        expect(decode(encode(program))).toEqual(program);
        const text = instructions.map((x) => mapRefs(x, ({ space, offset }) => `${space}:${offset}`));
        const back = (name: string) => ({ space: Number(name.split(':')[0]), offset: Number(name.split(':')[1]) });
        expect(text.map((x) => mapRefs(x, back))).toEqual(instructions);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('reads and writes what its windows do, and its body, at every depth', () => {
    const [outer] = nested(false).instructions;
    const named = mapRefs(outer, ({ space, offset }) => `${space}:${offset}`);
    const [carry, scratch] = ['0:0', '0:16'];
    expect(sourcesOf(named)).toEqual(['3:0', '2:0', '4:0', carry, '1:0', scratch, '6:0', carry]);
    expect(destinationsOf(named)).toEqual(['0:32', carry, '5:0', scratch, carry, '7:0']);
  });

  it('may have a body as long as a program', () => {
    const body = Array.from({ length: 10_000 }, () => copy(arena(0), arena(16)));
    const loop: Instruction = { kind: 'loop', trips: 1, reverse: false, windows: [], body };
    const program = { arenaBytes: 128, inputs: [], outputs: [], instructions: [loop] };
    expect(decode(encode(program))).toEqual(program);
  });

  const deep = (depth: number): Instruction =>
    depth === 0
      ? copy(arena(0), arena(16))
      : { kind: 'loop', trips: 1, reverse: false, windows: [], body: [deep(depth - 1)] };
  const holding = (...instructions: Instruction[]): Program => ({
    arenaBytes: 128,
    inputs: [],
    outputs: [],
    instructions,
  });
  const refusal = { code: 'ERR_ZEROTH_PROGRAM' };

  it('lies in others to a depth that both sides know', async () => {
    await using device = openDevice({ threads: 1 });
    const bytes = encode(holding(deep(MAX_LOOP_DEPTH)));
    expect(decode(bytes).instructions).toEqual([deep(MAX_LOOP_DEPTH)]);
    (await device.load(bytes)).dispose();
    expect(() => encode(holding(deep(MAX_LOOP_DEPTH + 1)))).toThrow(
      expect.objectContaining({ ...refusal, message: expect.stringContaining(`at most ${MAX_LOOP_DEPTH} deep`) }),
    );
    // The same bytes with a loop more around, written by hand: a header of 8 words, then the code.
    const words = new Uint32Array(bytes.buffer);
    const inside = words.slice(8);
    const deeper = new Uint32Array([...words.slice(0, 8), 9, inside.length + 6, 1, 0, 0, 1, ...inside]);
    deeper[2] = deeper.length;
    expect(() => decode(new Uint8Array(deeper.buffer))).toThrow(expect.objectContaining(refusal));
    await expect(device.load(new Uint8Array(deeper.buffer))).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining(`at most ${MAX_LOOP_DEPTH} deep`),
    });
  });

  it('that would take for ever ends where its job is aborted, or its device disposed of', async () => {
    const turn = (body: Instruction): Instruction => ({
      ...{ kind: 'loop', trips: 2 ** 20, reverse: false, windows: [], body: [body] },
    });
    const bytes = encode(holding(turn(turn(copy(arena(0), arena(16))))));
    const device = openDevice({ threads: 2 });
    const job = new CommandList(0).call(await device.load(bytes), [], []);
    const controller = new AbortController();
    const running = device.submit(job, controller.signal);
    // What is asked of the device after it would wait for its end.
    const after = device.allocate(4).read();
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'ERR_ZEROTH_ABORTED' });
    await after;
    const disposedOf = device.submit(job);
    const disposed = device.dispose();
    await expect(disposedOf).rejects.toMatchObject({ code: 'ERR_ZEROTH_ABORTED' });
    await disposed;
  });

  it('says at which row an instruction of its body could not go on', async () => {
    await using device = openDevice({ threads: 1 });
    const program: Program = {
      arenaBytes: 64,
      inputs: [
        { dtype: 'i32', elements: 3 },
        { dtype: 'f32', elements: 2 },
      ],
      outputs: [],
      instructions: [
        {
          ...{ kind: 'loop', trips: 3, reverse: true },
          windows: [{ ref: { space: 1, offset: 0 }, step: 1, words: 1, written: false }],
          body: [
            {
              ...{ kind: 'gather', rows: 2, width: 1, count: 1, table: { space: 2, offset: 0 } },
              ...{ indices: { space: 3, offset: 0 }, destination: arena(0) },
            },
          ],
        },
      ],
    };
    const indices = await device.upload(Int32Array.of(0, 1, 2));
    const table = await device.upload(Float32Array.of(1, 2));
    const bindings = [indices, table].map((buffer) => ({ buffer, byteOffset: 0 }));
    const job = new CommandList(0).call(await device.load(encode(program)), bindings, []);
    await expect(device.submit(job)).rejects.toThrow('instruction 0: 0 of its loop at row 2: gather: expected indices');
  });

  it('is refused by the reference where a window or what is read of it does not exist', () => {
    const loop = (window: { space: number; offset: number; words: number }, read: Ref): Program =>
      holding({
        ...{ kind: 'loop', trips: 3, reverse: false },
        windows: [{ ref: window, step: 8, words: window.words, written: false }],
        body: [copy(read, arena(16))],
      });
    const [good, inside] = [
      { space: 0, offset: 5, words: 3 },
      { space: 1, offset: 0 },
    ];
    expect(() => runProgramReference(encode(loop(good, inside)), [])).not.toThrow();
    for (const program of [
      loop({ ...good, offset: 14 }, inside),
      loop({ ...good, words: 12 }, inside),
      loop({ ...good, space: 1 }, inside),
      loop(good, { space: 1, offset: 1 }),
      loop(good, { space: 2, offset: 0 }),
    ]) {
      expect(() => runProgramReference(encode(program), [])).toThrow(expect.objectContaining(refusal));
    }
    const { instructions } = loop(good, inside);
    const outside = holding(...instructions, copy(inside, arena(16)));
    expect(() => runProgramReference(encode(outside), [])).toThrow(expect.objectContaining(refusal));
  });
});
