/**
 * The little of the DOM that drawing needs, as structure: the same code runs in a browser and under Node (linkedom),
 * and the types of the DOM stay out of a library for Node.
 */
export interface SvgNode {
  readonly ownerDocument: SvgDocument;
  readonly outerHTML: string;
  setAttribute(name: string, value: string): void;
  append(...children: unknown[]): void;
}

export interface SvgDocument {
  createElementNS(namespace: string, name: string): SvgNode;
  createTextNode(text: string): unknown;
}

export const svgNamespace = 'http://www.w3.org/2000/svg';
