/** Where in the user's program a node was made, for error messages. */
import { libraryUrl } from '../place.ts';

const INNER = ['graph/', 'nn/'].map((folder) => libraryUrl + folder);
const FRAME = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^()]*?:\d+:\d+)\)?$/;
const DEPTH = 40;

/** A place in the user's program. Looking it up costs far more than remembering it, so that waits until somebody asks. */
export class Origin {
  #moment: Error | undefined;
  #location: string | undefined;

  constructor() {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = DEPTH;
    this.#moment = new Error();
    Error.stackTraceLimit = limit;
  }

  /** `file:line:column` of the innermost frame outside the library, else of the innermost one outside `graph/` and `nn/` (a built-in model). */
  get location(): string | undefined {
    if (this.#moment) {
      this.#location = userFrame(this.#moment.stack ?? '');
      this.#moment = undefined;
    }
    return this.#location;
  }
}

function userFrame(stack: string): string | undefined {
  if (libraryUrl === undefined) return undefined; // in a bundle, nothing tells the user's lines from the library's
  let model: string | undefined;
  for (const line of stack.split('\n')) {
    const location = FRAME.exec(line)?.[1];
    if (location === undefined) continue;
    const url = location.startsWith('/') ? `file://${location}` : location;
    if (!url.startsWith(libraryUrl)) return location.replace('file://', '');
    if (model === undefined && !INNER.some((folder) => url.startsWith(folder))) model = location.replace('file://', '');
  }
  return model;
}

let inherited: Origin | undefined;

/** Runs `body`; every node made meanwhile is said to come from `origin`. Derivatives come from the line of the operation that they differentiate. */
export function withOrigin<T>(origin: Origin | undefined, body: () => T): T {
  const before = inherited;
  inherited = origin;
  try {
    return body();
  } finally {
    inherited = before;
  }
}

/** The place that is calling now, or the one that `withOrigin` set. */
export function currentOrigin(): Origin {
  return inherited ?? new Origin();
}

export function currentLocation(): string | undefined {
  return currentOrigin().location;
}
