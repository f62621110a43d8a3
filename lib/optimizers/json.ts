import { invalidArgument, shown } from '../errors.ts';

/** What JSON holds and gives back as it was: no NaN, no infinity, no undefined, no typed array. Only −0 comes back as 0, and counts as it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Options as plain data, by name. */
export type Options = { readonly [name: string]: Json };

/** Checks that a value is plain JSON, all the way down. @throws ERR_ZEROTH_ARGUMENT with the path to what is not. */
export function checkJson<T extends Json>(name: string, value: T): T {
  const wrong = notJson(name, value, new Set());
  if (wrong) {
    const hint = typeof wrong.value === 'number' ? ' (null can stand for a number that is not finite)' : '';
    invalidArgument(wrong.path, `plain JSON${hint}`, wrong.value);
  }
  return value;
}

function notJson(path: string, value: unknown, within: Set<object>): { path: string; value: unknown } | undefined {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : { path, value };
  const plain =
    typeof value === 'object' && [Object.prototype, Array.prototype, null].includes(Object.getPrototypeOf(value));
  if (!plain || within.has(value)) return { path, value };
  within.add(value);
  for (const [key, entry] of Object.entries(value)) {
    const wrong = notJson(Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, entry, within);
    if (wrong) return wrong;
  }
  within.delete(value);
  return undefined;
}

/** The options that an estimator, a rule or a step size states: none where it states none. @throws as `checkJson`. */
export function optionsOf(
  kind: string,
  { name, options = {} }: { readonly name: string; readonly options?: Options },
): Options {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    invalidArgument(`options of ${kind} ${shown(name)}`, 'a record of plain JSON', options);
  return checkJson(`options of ${kind} ${name}`, options);
}
