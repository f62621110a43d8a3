/** What `import` and `export … from` name in a source text; `value`: something is loaded, not only a type read. */
export function importsIn(source: string): { readonly target: string; readonly value: boolean }[] {
  // No comments: their examples import too.
  const code = source.replaceAll(/\/\*.*?\*\/|(?<=^|\s)\/\/[^\n]*/gs, '');
  const statements = /\b(?:import|export)\s+(type\s)?[^'";]*?\bfrom\s*'([^']+)'|\bimport\s*\(?\s*'([^']+)'/g;
  return [...code.matchAll(statements)].map(([, type, from, loaded]) => ({
    target: from ?? loaded,
    value: type === undefined,
  }));
}

/** For every node that lies in a circle a shortest one through it, each circle once: `a → b → a`. */
export function circlesOf(nodes: readonly string[], targetsOf: (node: string) => readonly string[]): string[] {
  const circles = new Map<string, string>();
  for (const start of nodes) {
    const path = shortestPath(start, targetsOf);
    if (path) circles.set(path.toSorted().join(), circles.get(path.toSorted().join()) ?? [...path, start].join(' → '));
  }
  return [...circles.values()];
}

/** The nodes of a shortest way from `start` back to it. */
function shortestPath(start: string, targetsOf: (node: string) => readonly string[]): string[] | undefined {
  const before = new Map<string, string>();
  const queue = [start];
  for (const node of queue) {
    for (const target of targetsOf(node)) {
      if (target === start) {
        const path = [node];
        while (path[0] !== start) path.unshift(before.get(path[0])!);
        return path;
      }
      if (before.has(target)) continue;
      before.set(target, node);
      queue.push(target);
    }
  }
  return undefined;
}
