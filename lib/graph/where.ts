/** Where in the user's program a node was made, for error messages. */

const LIBRARY = new URL('../', import.meta.url).href;
const INNER = ['graph/', 'nn/'].map((folder) => LIBRARY + folder);
const FRAME = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^()]*?:\d+:\d+)\)?$/;

let origin: string | undefined;
let inherited = false;

/** Runs `body`; every node made meanwhile is said to come from `where`. Derivatives come from the line of the operation that they differentiate. */
export function withOrigin<T>(where: string | undefined, body: () => T): T {
  const before = { origin, inherited };
  origin = where;
  inherited = true;
  try {
    return body();
  } finally {
    origin = before.origin;
    inherited = before.inherited;
  }
}

/** `file:line:column` of the innermost frame outside the library, else of the innermost one outside `graph/` and `nn/` (a built-in model). */
export function currentLocation(): string | undefined {
  if (inherited) return origin;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const stack = new Error().stack ?? '';
  Error.stackTraceLimit = limit;
  let model: string | undefined;
  for (const line of stack.split('\n')) {
    const location = FRAME.exec(line)?.[1];
    if (location === undefined) continue;
    const url = location.startsWith('/') ? `file://${location}` : location;
    if (!url.startsWith(LIBRARY)) return location.replace('file://', '');
    if (model === undefined && !INNER.some((folder) => url.startsWith(folder))) model = location.replace('file://', '');
  }
  return model;
}
