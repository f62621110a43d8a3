import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../lib/device/native.ts';
import { decode } from '../../../lib/graph/plan/decode.ts';
import { encode } from '../../../lib/graph/plan/encode.ts';
import { destinationsOf, type Instruction, mapRefs, type Ref, sourcesOf } from '../../../lib/graph/plan/instruction.ts';
import { instructions, OPCODE, rowOf, type Whole } from '../../../lib/graph/plan/instructions.ts';
import { type Field, isOperand } from '../../../lib/graph/plan/schema.ts';

const kinds = Object.keys(instructions) as Whole[];

/** One line a field, in order: all that native code must agree about. */
const fieldText = (name: string, field: Field): string => {
  if (field.kind === 'code') return `code ${name}: ${JSON.stringify(field.codes)}`;
  if (field.kind === 'dtype') return `dtype ${name}: ${field.allowed.join(' ')}`;
  if (!isOperand(field)) return `${field.kind} ${name}`;
  const { kind, dtype, sizes, batch } = field;
  const extent = sizes.join(' × ') + (batch ? `, ${batch.size} of them ${batch.stride} apart` : '');
  return `${kind} ${name}: ${dtype} ${extent}`;
};

const linesHere = (kind: Whole) => Object.entries(rowOf(kind).fields).map(([name, field]) => fieldText(name, field));

const native = (file: string) => readFileSync(join(packageRoot, 'native/program', file), 'utf8');

/** The same lines, read off the text of a native row. */
function linesThere(lines: string): string[] {
  const body = lines.replaceAll(/\n {5,}/g, ' ');
  const calls = [...body.matchAll(/v\.(\w+)\("(\w+)", self\.(\w+)(?:, (.*))?\);/g)];
  expect(calls.length, 'every line of a row is understood').toBe(body.trim().split('\n').length);
  const names = new Map(calls.map(([, , name, member]) => [member, name]));
  const membersIn = (text: string) => [...text.matchAll(/self\.(\w+)/g)].map(([, member]) => names.get(member)!);
  return calls.map(([, kind, name, , rest = '']) => {
    if (kind === 'code') {
      const [, type, first, last] = /^(\w+)::(\w+), \w+::(\w+)$/.exec(rest)!;
      const enumerators = new RegExp(`enum class ${type} : uint32_t \\{ (.*) \\}`).exec(native('format.h'))![1];
      const codes = new Map(enumerators.split(', ').map((one) => [one.split(' = ')[0], Number(one.split(' = ')[1])]));
      const within = [...codes].filter(([, code]) => code >= codes.get(first)! && code <= codes.get(last)!);
      return fieldText(name, { kind, codes: Object.fromEntries(within) });
    }
    if (kind === 'dtype') return `dtype ${name}: ${[...rest.matchAll(/DType::(\w+)/g)].map(([, d]) => d).join(' ')}`;
    if (kind !== 'read' && kind !== 'write') return `${kind} ${name}`;
    const [, dtype, extent, list] = /^(?:DType::)?([\w.]+), (\w+)\((.*)\)$/.exec(rest)!;
    const members = membersIn(list);
    return fieldText(name, {
      kind,
      dtype: membersIn(dtype)[0] ?? dtype,
      sizes: extent === 'dense' ? members : members.slice(2),
      ...(extent === 'batched' && { batch: { size: members[0], stride: members[1] } }),
    });
  });
}

describe('the rows of instructions', () => {
  const text = native('instructions.h');
  const structs = [
    ...text.matchAll(/^struct (\w+)(?: : MapBody)? \{\n {2}static constexpr uint32_t kOpcode = (\d+);([\s\S]*?)^\};/gm),
  ];
  const nameOf = (struct: string) => struct[0].toLowerCase() + struct.slice(1);

  it('have the same names and numbers here and in native code, each its own', () => {
    const there = Object.fromEntries(structs.map(([, name, opcode]) => [nameOf(name), Number(opcode)]));
    expect(there).toEqual(OPCODE);
    const alternatives = /using Instruction = std::variant<([^>]*)>/.exec(text)![1].split(/,\s*/);
    expect(alternatives.map(nameOf).sort()).toEqual(Object.keys(OPCODE).sort());
    expect(new Set(Object.values(OPCODE)).size).toBe(Object.keys(OPCODE).length);
  });

  it.each(kinds)('have the same fields here and in native code: %s', (kind) => {
    const [, , , struct] = structs.find(([, name]) => nameOf(name) === kind)!;
    const [, body] = /static void fields\(Self& self, Visitor& v\) \{\n([\s\S]*?)^ {2}\}/m.exec(struct)!;
    expect(linesThere(body)).toEqual(linesHere(kind));
  });

  it('name what they take as kernels know it: an operand of i32, f32 or one f64', () => {
    for (const kind of kinds) {
      const { fields } = rowOf(kind);
      const written = Object.values(fields).filter(({ kind }) => kind === 'write');
      expect(written.length, kind).toBeGreaterThan(0);
      for (const field of Object.values(fields).filter(isOperand)) {
        const named = [...field.sizes, ...(field.batch ? [field.batch.size] : [])];
        for (const name of named) expect(fields[name].kind, `${kind} ${name}`).toBe('size');
        if (field.batch) expect(fields[field.batch.stride].kind).toBe('stride');
        if (field.dtype in fields) expect(fields[field.dtype].kind).toBe('dtype');
      }
    }
  });
});

const word = fc.integer({ min: 0, max: 0xffffffff });
const ref: fc.Arbitrary<Ref> = fc.record({ space: word, offset: word });
const valueFor = (field: Field): fc.Arbitrary<unknown> => {
  if (field.kind === 'flag') return fc.boolean();
  if (field.kind === 'code') return fc.constantFrom(...Object.keys(field.codes));
  if (field.kind === 'dtype') return fc.constantFrom(...field.allowed);
  return isOperand(field) ? ref : word;
};
const instruction = fc.constantFrom(...kinds).chain((kind) => {
  const values = Object.entries(rowOf(kind).fields).map(([name, field]) => [name, valueFor(field)] as const);
  return fc.record({ kind: fc.constant(kind), ...Object.fromEntries(values) }) as unknown as fc.Arbitrary<
    Instruction & { readonly kind: Whole }
  >;
});
const programOf = (...list: Instruction[]) => ({ arenaBytes: 64, inputs: [], outputs: [], instructions: list });

describe('an instruction, by its row', () => {
  it('is the same again when its words are read', () => {
    fc.assert(
      fc.property(fc.array(instruction, { maxLength: 4 }), (list) => {
        expect(decode(encode(programOf(...list))).instructions).toEqual(list);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('reads and writes each of its operands, and finds each in another way when it is moved', () => {
    fc.assert(
      fc.property(instruction, (x) => {
        const operands = Object.entries(rowOf(x.kind).fields).filter(([, field]) => isOperand(field));
        const places = operands.map(([name]) => (x as unknown as Record<string, Ref>)[name]);
        expect([...sourcesOf(x), ...destinationsOf(x)]).toHaveLength(places.length);
        for (const place of places) expect([...sourcesOf(x), ...destinationsOf(x)]).toContain(place);
        const moved = mapRefs(x, ({ space, offset }) => `${space}:${offset}`);
        operands.forEach(([name], i) => {
          expect(moved).toHaveProperty(name, `${places[i].space}:${places[i].offset}`);
        });
        expect(
          mapRefs(moved, (text) => ({ space: Number(text.split(':')[0]), offset: Number(text.split(':')[1]) })),
        ).toEqual(x);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('is refused where a word is no code, no dtype that it takes, or the program ends early', () => {
    for (const kind of kinds) {
      const { fields } = rowOf(kind);
      const [x] = fc.sample(
        instruction.filter((one) => one.kind === kind),
        { seed: 1, numRuns: 1 },
      );
      const bytes = encode(programOf(x));
      let at = 10;
      for (const [name, field] of Object.entries(fields)) {
        if (field.kind === 'code' || field.kind === 'dtype') {
          const damaged = bytes.slice();
          new DataView(damaged.buffer).setUint32(4 * at, 99, true);
          expect(() => decode(damaged), `${kind} ${name}`).toThrow(/ERR_ZEROTH_PROGRAM|expected/);
        }
        at += isOperand(field) ? 2 : 1;
      }
      expect(4 * at).toBe(bytes.length);
      expect(() => decode(bytes.slice(0, -4))).toThrow('expected');
    }
    const iota = fc.sample(
      instruction.filter((one) => one.kind === 'iota'),
      { seed: 1, numRuns: 1 },
    )[0];
    expect(() => decode(encode(programOf({ ...iota, dtype: 'f64' } as never)))).toThrow(
      'dtype of f32 or i32, found f64',
    );
  });
});
