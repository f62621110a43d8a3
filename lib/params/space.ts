import { ZerothError } from '../errors.ts';
import { type SpaceSpec, spaceRules, type TensorSpaceRule } from '../optimizers/space-spec.ts';
import { stream } from '../random/direction.ts';
import { type Segment, Space } from '../random/space.ts';
import type { Layout, TensorSlot } from './layout.ts';

/**
 * The space that a specification means for the tensors of a layout.
 * @throws ERR_ZEROTH_ARGUMENT for a name that matches no tensor, or a space that leaves all of them out.
 */
export function bindSpace(spec: SpaceSpec, layout: Layout): Space {
  const rules = spaceRules(spec).map((rule) => ({ rule, matches: matcher(rule.pattern) }));
  const { tensors } = layout;
  for (const { rule, matches } of rules) {
    if (tensors.some(({ name }) => matches(name))) continue;
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      `space of '${rule.pattern}': expected a name that matches one of ${tensors.map(({ name }) => name).join(', ')}; received one that matches none.`,
    );
  }
  const segments: Segment[] = [];
  for (const slot of tensors) {
    const rule = rules.find(({ matches }) => matches(slot.name))?.rule;
    if (rule?.skip) continue;
    const segment = segmentOf(slot, rule);
    const last = segments.at(-1);
    if (last && joins(last, segment)) segments[segments.length - 1] = { ...last, count: last.count + segment.count };
    else segments.push(segment);
  }
  if (segments.length === 0)
    throw new ZerothError(
      'ERR_ZEROTH_ARGUMENT',
      'space: expected one that leaves some tensor in, received one that skips all.',
    );
  return new Space(layout.length, segments);
}

function matcher(pattern: string): (name: string) => boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const whole = new RegExp(`^${parts.join('.*')}$`, 's');
  return (name) => whole.test(name);
}

/** What a rule makes of a tensor. */
function segmentOf(slot: TensorSlot, rule: TensorSpaceRule | undefined): Segment {
  return { offset: slot.offset, count: slot.size, scale: rule?.scale ?? 1, ...maskOf(rule) };
}

/** Masks of one seed are one mask of the whole vector. */
const maskOf = (rule: TensorSpaceRule | undefined): Pick<Segment, 'mask'> =>
  !rule || rule.density === 1
    ? {}
    : { mask: { density: rule.density, seed: BigInt(rule.seed), stream: stream('mask', 0) } };

const joins = (a: Segment, b: Segment): boolean =>
  a.offset + a.count === b.offset &&
  a.scale === b.scale &&
  a.mask?.density === b.mask?.density &&
  a.mask?.seed === b.mask?.seed;
