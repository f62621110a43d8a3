/**
 * Throws unless `text` is well-formed XML of the kind that an SVG writer makes (no DTD, no CDATA): tags balance, attributes are
 * quoted and unique, `&` and `<` appear only as markup, one root. Returns the names of all elements.
 */
export function checkXml(text: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  let rest = text.replace(/^<\?xml [^?]*\?>\s*/, '');
  const entity = /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-f]+);)/i;
  while (rest !== '') {
    const content = rest.match(/^[^<]+/)?.[0];
    if (content !== undefined) {
      if (entity.test(content)) throw new Error(`bare & in ${content}`);
      if (open.length === 0 && content.trim() !== '') throw new Error(`text outside the root: ${content}`);
      rest = rest.slice(content.length);
      continue;
    }
    const tag = rest.match(/^<(\/?)([A-Za-z_][\w:.-]*)((?:\s+[\w:.-]+="[^"<]*")*)\s*(\/?)>/);
    if (!tag) throw new Error(`not a tag: ${rest.slice(0, 80)}`);
    const [whole, closing, name, attributes, empty] = tag;
    if (closing) {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    } else {
      if (open.length === 0 && names.length > 0) throw new Error('two roots');
      names.push(name);
      if (entity.test(attributes)) throw new Error(`bare & in ${whole}`);
      const keys = [...attributes.matchAll(/([\w:.-]+)="/g)].map((match) => match[1]);
      if (new Set(keys).size !== keys.length) throw new Error(`attribute twice in ${whole}`);
      if (!empty) open.push(name);
    }
    rest = rest.slice(whole.length);
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`);
  return names;
}
