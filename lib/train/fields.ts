import { isRecord } from './record.ts';

/**
 * What a reader of a log expects of a field, and how it reads it. JSON has no NaN and no infinity; a number that is not finite is written as
 * null.
 */
export interface Field<Value, Optional extends boolean = false> {
  readonly optional: Optional;
  /** What it must be, for a person. */
  readonly expected: string;
  /** The value, as the program has it, of what stands in a log. @throws Error, which says what was expected and received at `path`. */
  readonly read: (logged: unknown, path: string) => Value;
  /** For types alone: a field of some names is no field of a type that has more of them. */
  readonly of?: (value: Value) => void;
}

/** The fields of a type: all of them and no other, each of its own type, and optional where it is so there. */
type FieldsOf<T> = {
  readonly [Name in keyof T]-?: undefined extends T[Name] ? Field<Exclude<T[Name], undefined>, true> : Field<T[Name]>;
};

const field = <Value>(expected: string, read: Field<Value>['read']): Field<Value> => ({
  optional: false,
  expected,
  read,
});

/** A value that stands in a log as it is. */
const plain = <Value>(expected: string, accepts: (logged: unknown) => boolean): Field<Value> =>
  field(expected, (logged, path) => (accepts(logged) ? (logged as Value) : refuse(path, expected, logged)));

const isText = (logged: unknown): boolean => typeof logged === 'string';

export const text = plain<string>('a string', isText);
export const flag = plain<boolean>('true or false', (logged) => typeof logged === 'boolean');
export const count = plain<number>('an integer ≥ 0', (n) => Number.isSafeInteger(n) && (n as number) >= 0);
/** A number that is always finite. */
export const finite = plain<number>('a number', (logged) => typeof logged === 'number');
/** A number: null stands for NaN or ±∞, and is read as NaN. */
export const real = field<number>('a number', (logged, path) =>
  logged === null ? Number.NaN : finite.read(logged, path),
);
/** A record, whatever it holds. */
export const anything = <Value extends object>(): Field<Value> => plain('an object', isRecord);

export const exactly = <const Value extends string | number | null>(value: Value): Field<Value> =>
  plain(JSON.stringify(value), (logged) => logged === value);

/** One of these names. */
export function oneOf<Name extends string>(names: { readonly [N in Name]: unknown }): Field<Name> {
  const quoted = Object.keys(names).map((name) => JSON.stringify(name));
  return plain(`one of ${quoted.join(', ')}`, (logged) => isText(logged) && Object.hasOwn(names, logged as string));
}

/** One of the names of a type; a newer version may have others, and they are read, too. */
export const oneKnown = <Name extends string>(): Field<Name> => plain('a string', isText);

export function either<A, B>(a: Field<A>, b: Field<B>): Field<A | B> {
  const expected = `${a.expected} or ${b.expected}`;
  return field(expected, (logged, path) => {
    for (const { read } of [a, b]) {
      try {
        return read(logged, path);
      } catch {}
    }
    return refuse(path, expected, logged);
  });
}

/** Null has a meaning of its own. */
export const orNull = <Value>(one: Field<Value>): Field<Value | null> => either(one, exactly(null));

export const optional = <Value>(one: Field<Value>): Field<Value, true> => ({ ...one, optional: true });

export const list = <Value>(each: Field<Value>): Field<readonly Value[]> =>
  field<readonly Value[]>('a list', (logged, path) => {
    if (!Array.isArray(logged)) return refuse(path, 'a list', logged);
    return logged.map((one, i) => each.read(one, `${path}.${i}`));
  });

/** A record of any names, with the same for each. */
export const named = <Value>(each: Field<Value>): Field<Readonly<Record<string, Value>>> =>
  field('an object', (logged, path) =>
    readEach('an object', logged, path, (names) => names.map((name) => [name, each])),
  );

/** A record with the fields of a type. Others pass: a newer version may have added them. */
export function record<T extends object>(fields: FieldsOf<T>): Field<T> & { readonly fields: FieldsOf<T> } {
  const each = Object.entries<AnyField>(fields);
  const needed = each.filter(([, { optional }]) => !optional).map(([name]) => name);
  const expected = `{ ${needed.join(', ')} }`;
  return { ...field<T>(expected, (logged, path) => readEach(expected, logged, path, () => each)), fields };
}

type AnyField = Pick<Field<unknown, boolean>, 'optional' | 'read'>;

/** Reads fields in place: what is logged was parsed for this. */
function readEach<Value>(
  expected: string,
  logged: unknown,
  path: string,
  fieldsOf: (names: string[]) => (readonly [string, AnyField])[],
): Value {
  if (!isRecord(logged)) return refuse(path, expected, logged);
  for (const [name, { optional, read }] of fieldsOf(Object.keys(logged))) {
    const before = Object.hasOwn(logged, name) ? logged[name] : undefined;
    if (before === undefined && optional) continue;
    const value = read(before, path === '' ? name : `${path}.${name}`);
    if (value !== before) logged[name] = value;
  }
  return logged as Value;
}

function refuse(path: string, expected: string, logged: unknown): never {
  throw new Error(`${path}${path && ': '}expected ${expected}, received ${short(logged)}`);
}

/** What was received, for a message. */
function short(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
