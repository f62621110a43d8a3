import { checkObject, checkOptions, type Names } from '../errors.ts';

/*
 * What a user's own parts are checked for where they come in. In an object as `{ … }` writes it, a field of another name is refused, as one of options
 * is: misspelt, it would silently leave its default. An instance of a class has what names it likes, for its helpers are among them.
 */

/** Whether an object is one that `{ … }` writes, and not an instance of a class. */
export const isPlain = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value));

/** @throws ERR_ZEROTH_ARGUMENT */
export function checkFields<Fields extends object>(name: string, value: Fields, known: Names<Fields>): void {
  checkObject(name, value, `{ ${Object.keys(known).join(', ')} }`);
  if (isPlain(value)) checkOptions(name, value, known);
}
