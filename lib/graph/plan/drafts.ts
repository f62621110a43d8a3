import type { Graph, Node } from '../node.ts';
import { simplify } from '../simplify.ts';
import { expandComposites } from './composites.ts';
import { chooseStored } from './fuse.ts';
import { memoryProblem } from './jobs.ts';
import { legalize, topological } from './legalize.ts';
import { lower } from './lower.ts';
import type { BodyOf, Step } from './lowering.ts';
import { schedule } from './schedule.ts';
import type { StorageType } from './schema.ts';
import { type Draft, shareKernels } from './share.ts';
import { type Buffer, type PlannedOutput, placeOutputs, type Source, Stored } from './storage.ts';
import type { Target } from './target.ts';
import { isContiguous } from './views.ts';

/** The steps of a graph in the orders that are worth laying out. */
export interface Drafts {
  readonly drafts: readonly Draft[];
  /** Where each output is: a buffer of its own. */
  readonly outputs: readonly (PlannedOutput & { readonly buffer: Buffer })[];
}

/** What the trials of `shareKernels` may look at; programs of a few hundred instructions use half of it. */
const SHARING = 400_000;

/**
 * Simplifies a graph, fuses its elementwise chains, and schedules its steps for least peak memory.
 * @param options.places where the graph's inputs are.
 * @param options.dtypes in which each output is delivered.
 */
export function draftsOf(
  graph: Graph,
  options: {
    readonly places: ReadonlyMap<Node, Source>;
    readonly dtypes: readonly StorageType[];
    readonly target: Target;
    readonly bodyOf: BodyOf;
  },
): Drafts {
  const { places, dtypes, target, bodyOf } = options;
  const isStrided = (node: Node) => {
    const view = places.get(node)?.view;
    return view !== undefined && !isContiguous(view);
  };
  const legal = legalize(simplify(expandComposites(graph, target.composites)), isStrided);
  const stored = new Stored(places);
  const outputs = placeOutputs(legal, dtypes, stored);
  const targets = outputs.map(({ node }) => node);
  chooseStored(targets, stored);

  const { steps, bufferOf, together } = lower(topological(targets), targets, stored, places, bodyOf);
  const problemOf = (list: readonly Step[]) => memoryProblem(list, targets.map(bufferOf), target.alignment);
  const problem = problemOf(steps);
  const quick = schedule(problem, 'quick');
  if (!quick) throw new Error('the instructions of a plan depend on each other in a circle');
  const shared = shareKernels({ problem, schedule: quick }, { problemOf, together }, { left: SHARING });
  const thorough = schedule(shared.problem, 'thorough')!;
  return {
    drafts: [shared.schedule, thorough].map((order) => ({ problem: shared.problem, schedule: order })),
    outputs: outputs.map((output) => ({ ...output, buffer: bufferOf(output.node) })),
  };
}
