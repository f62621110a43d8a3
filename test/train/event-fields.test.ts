import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EVENTS, eventFromLine } from '../../lib/train/event-fields.ts';
import type { EndCause, StepEvent, WarningCode } from '../../lib/train/events.ts';
import { count, exactly, finite, list, oneOf, optional, real, record, text } from '../../lib/train/fields.ts';

const documentation = readFileSync(new URL('../../docs/run-folder.md', import.meta.url), 'utf8');
/** Names in backquotes. */
const quoted = (cell: string): string[] => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name]) => name);
/** Rows of the tables in the section on an event, as cells. */
const rowsOf = (event: string): string[][] => {
  const sections = documentation.split(/^#{2,3} /m);
  const section = sections.find((text) => quoted(text.split('\n')[0]).includes(event)) ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('|---'));
  return lines.map((line) => line.slice(1, -1).split('|')).map((cells) => cells.map((cell) => cell.trim()));
};
/** The fields that the documentation lists for an event. */
function documented(event: string): string[] {
  const rows = rowsOf(event);
  if (rows[0][0] === 'field') {
    const end = rows.findIndex(([first], row) => row > 0 && first === '`code`' && rows[row][1] === '');
    return rows.slice(1, end < 0 ? undefined : end).flatMap(([names]) => quoted(names));
  }
  let of = '';
  const names: string[] = [];
  for (const [first, fields] of rows.slice(1)) {
    of = quoted(first)[0] ?? of;
    if (of === event) names.push(...quoted(fields));
  }
  return names;
}

describe('fields of events', () => {
  it('are those that docs/run-folder.md lists, each once', () => {
    for (const [event, { fields }] of Object.entries(EVENTS)) {
      const names = Object.keys(fields).filter((name) => name !== 'type');
      expect(documented(event).sort(), event).toEqual(names.sort());
    }
  });

  it('have the codes and the causes that docs/run-folder.md lists', () => {
    const codes: { [Code in WarningCode]: true } = {
      'mu-lost': true,
      'loss-unresolved': true,
      'loss-plateau': true,
      'loss-stationary': true,
      'loss-flat': true,
      'batch-flat': true,
      'gradient-zero': true,
      'estimate-zero': true,
      'parameters-stuck': true,
      'weights-diffuse': true,
    };
    const causes: { [Cause in EndCause]: true } = {
      'loss-not-finite': true,
      'loss-rose': true,
      'gradient-not-finite': true,
      'update-not-finite': true,
      'parameters-not-finite': true,
      'state-not-finite': true,
    };
    const rows = rowsOf('warning');
    const head = rows.findIndex(([first, second]) => first === '`code`' && second === '');
    expect(rows.slice(head + 1).flatMap(([code]) => quoted(code))).toEqual(Object.keys(codes));
    const cause = rowsOf('end').find(([, field]) => field === '`cause`');
    expect(quoted(cause?.[2] ?? '')).toEqual(Object.keys(causes));
  });

  it('are needed, all that are not optional: a line without one is refused, and the message says which', () => {
    const step = { type: 'step', step: 3, loss: 1, lr: 0.1, projectedGradient: 2 };
    for (const name of ['step', 'loss', 'lr'])
      expect(() => eventFromLine({ ...step, [name]: undefined })).toThrow(new RegExp(`^${name}: .*received nothing$`));
    expect(eventFromLine({ ...step, projectedGradient: undefined, more: [1] })).toMatchObject({ loss: 1, more: [1] });
  });

  it('that hold a number: null is NaN where a number may be infinite, itself where it means something, else refused', () => {
    const end = { reason: 'completed', steps: 1, seconds: 1, stepsPerSecond: 1, message: '' };
    const whole = { type: 'end', ...end, loss: null, squaredNorm: null, diffusion: null, metrics: { a: null, b: 2 } };
    expect(eventFromLine(structuredClone(whole))).toEqual({ ...whole, metrics: { a: Number.NaN, b: 2 } });
    expect(() => eventFromLine({ ...whole, seconds: null })).toThrow('seconds: expected a number, received null');
    expect(() => eventFromLine({ ...whole, metrics: { a: 'b' } })).toThrow(
      'metrics.a: expected a number, received "b"',
    );
    expect(() => eventFromLine({ ...whole, cause: 1 })).toThrow('cause: expected a string, received 1');
    expect(eventFromLine({ ...structuredClone(whole), cause: 'of a newer version' })).toMatchObject({ type: 'end' });
  });

  it('are those of the types: one too few, too many, of another type or fewer names does not compile', () => {
    const type = exactly('step');
    const fields = {
      type,
      step: count,
      loss: real,
      lr: real,
      projectedGradient: optional(real),
      coefficients: optional(list(real)),
    };
    const all = [
      record<StepEvent>(fields),
      // @ts-expect-error one too few
      record<StepEvent>({ type, step: count, loss: real, lr: real, projectedGradient: optional(real) }),
      // @ts-expect-error one too many
      record<StepEvent>({ ...fields, more: text }),
      // @ts-expect-error of another type
      record<StepEvent>({ ...fields, loss: text }),
      // @ts-expect-error needed, where the type has it optional
      record<StepEvent>({ ...fields, projectedGradient: real }),
      // @ts-expect-error optional, where the type needs it
      record<StepEvent>({ ...fields, lr: optional(finite) }),
      // @ts-expect-error not all of the names
      record<{ a: 'x' | 'y' }>({ a: oneOf({ x: true }) }),
    ];
    expect(all).toHaveLength(7);
  });
});
