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

/** The same tree with other leaves. `path` reads like JavaScript: `[0].weight`. */
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
      return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, walk(child, `${path}.${key}`)]));
    }
    return reject(path, value);
  };
  return walk(tree, '');
}
