import { ZerothError } from '../errors.ts';
import { currentLocation } from './where.ts';

/**
 * Arguments and results of traced functions: a leaf, or arrays and records of them to any depth. Records keep their key order.
 */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> };

type IsLeaf<Leaf> = (value: unknown) => value is Leaf;

/** The leaves, in order. `reject` is called with the path of whatever is neither leaf nor container. */
export function flatten<Leaf>(
  tree: unknown,
  isLeaf: IsLeaf<Leaf>,
  reject: (path: string, value: unknown) => never,
): Leaf[] {
  const leaves: Leaf[] = [];
  mapTree(tree, isLeaf, reject, (leaf) => leaves.push(leaf));
  return leaves;
}

/**
 * A record in which a name that is not there is refused where it is read, so that a misspelt one is not silently undefined.
 * (`name in record` asks without reading.)
 *
 * @param what it is, for the error.
 * @throws ERR_ZEROTH_ARGUMENT on reading an unknown name, and on any change.
 */
export function strictRecord<Name extends string, Value>(
  what: string,
  values: Readonly<Record<Name, Value>>,
): Readonly<Record<Name, Value>> {
  const refuse = (name: string | symbol, received: string): never => {
    const known = Object.keys(values).join(', ') || '(none)';
    const where = currentLocation();
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `${what}.${String(name)}: expected one of ${known}; received ${received}.${where ? ` At ${where}` : ''}`,
    );
  };
  const change = (_: unknown, name: string | symbol) => refuse(name, 'a change of a record that is read only');
  return new Proxy<Readonly<Record<Name, Value>>>(Object.freeze({ ...values }), {
    get(record, name, receiver) {
      // What the language and its inspectors look for by themselves is no misspelling.
      const known = name in record || typeof name === 'symbol' || name === 'then' || name === 'toJSON';
      return known ? Reflect.get(record, name, receiver) : refuse(name, 'an unknown name');
    },
    set: change,
    defineProperty: change,
    deleteProperty: change,
  });
}

/** The same tree with other leaves; its records are strict. `path` reads like JavaScript: `[0].weight`. */
export function mapTree<Leaf>(
  tree: unknown,
  isLeaf: IsLeaf<Leaf>,
  reject: (path: string, value: unknown) => never,
  map: (leaf: Leaf, path: string) => unknown,
): unknown {
  const walk = (value: unknown, path: string): unknown => {
    if (isLeaf(value)) return map(value, path);
    if (Array.isArray(value)) return value.map((child, i) => walk(child, `${path}[${i}]`));
    if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      const children = Object.entries(value).map(([key, child]) => [key, walk(child, `${path}.${key}`)]);
      return strictRecord(`record${path}`, Object.fromEntries(children));
    }
    return reject(path, value);
  };
  return walk(tree, '');
}
