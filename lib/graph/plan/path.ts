import { isOp } from '../build.ts';
import type { ViewNode } from './kinds.ts';

/**
 * The views between a value and the index space of a kernel, innermost first: a list that grows at its inner end and shares the rest, so that a
 * value deep below many views costs no more than one below none. `Path.root()` starts a family; equal paths of a family have equal keys.
 */
export class Path {
  /** Names what the views do to the order of the elements: equal for paths that do the same. Reshapes at the outer end do nothing. */
  readonly key: number;
  readonly #view: ViewNode | undefined;
  readonly #rest: Path | undefined;
  readonly #keys: Map<string, number>;

  private constructor(key: number, keys: Map<string, number>, view?: ViewNode, rest?: Path) {
    this.key = key;
    this.#keys = keys;
    this.#view = view;
    this.#rest = rest;
  }

  static root(): Path {
    return new Path(0, new Map());
  }

  /** This path below one more view. */
  below(view: ViewNode): Path {
    if (this.key === 0 && isOp(view, 'reshape')) return new Path(0, this.#keys, view, this);
    const name = `${view.id} ${this.key}`;
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = this.#keys.size + 1;
      this.#keys.set(name, key);
    }
    return new Path(key, this.#keys, view, this);
  }

  /** The views, innermost first. */
  views(): ViewNode[] {
    const list: ViewNode[] = [];
    for (let path: Path | undefined = this; path; path = path.#rest) if (path.#view) list.push(path.#view);
    return list;
  }
}
