import { checkObject, invalidArgument, ZerothError } from '../errors.ts';
import { type Shape, sizeOf } from '../graph/node.ts';

/** Where one named tensor lies in the flat vector. Offsets and sizes in elements. */
export interface TensorSlot {
  readonly name: string;
  readonly shape: Shape;
  readonly offset: number;
  readonly size: number;
}

/** Named tensors, one after the other in the order of their declaration, in a flat vector. */
export class Layout {
  readonly tensors: readonly TensorSlot[];
  readonly length: number;
  readonly #byName: ReadonlyMap<string, TensorSlot>;

  constructor(shapes: Readonly<Record<string, { readonly shape: Shape }>>) {
    checkObject('parameters', shapes, 'an object of named { shape, init }');
    let offset = 0;
    this.tensors = Object.entries(shapes).map(([name, spec]) => {
      checkObject(`parameter '${name}'`, spec, '{ shape, init }');
      const { shape } = spec;
      const bad = !Array.isArray(shape) || shape.some((n) => !Number.isSafeInteger(n) || n < 1);
      if (bad) invalidArgument(`shape of parameter '${name}'`, 'positive integers', shape);
      const slot = { name, shape, offset, size: sizeOf(shape) };
      offset += slot.size;
      return slot;
    });
    if (this.tensors.length === 0) invalidArgument('parameters', 'at least one named tensor', shapes);
    this.length = offset;
    this.#byName = new Map(this.tensors.map((slot) => [slot.name, slot]));
  }

  /** @throws ERR_ZEROTH_ARGUMENT for an unknown name, listing the known ones. */
  tensor(name: string): TensorSlot {
    const slot = this.#byName.get(name);
    if (slot) return slot;
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `parameter '${name}': expected one of ${this.tensors.map((t) => t.name).join(', ')}; received an unknown name.`,
    );
  }
}
