import { CommandList } from '../device/commands.ts';
import type { Device, DeviceBuffer, DeviceProgram } from '../device/device.ts';
import { ZerothError } from '../errors.ts';
import type { Params } from '../params/params.ts';
import { stream } from '../random/direction.ts';
import type { Compiler } from './compile.ts';
import type { DeviceData } from './device-data.ts';

/** What two examples give: each by itself, and both together. */
type Trial = readonly [first: number, second: number, together: number];

/** Relative deviation from the mean that is none of rounding: a sum of two equal losses deviates by 1/2. */
const TOLERANCE = 1e-3;
/** A displacement as large as this share of the parameters' root mean square leaves no loss at a minimum, where rounding is all there is. */
const DISPLACEMENT = 0.1;

/**
 * Holds a loss to its contract on the first two examples: together they give the mean of what each gives, or, of a `{ sum, weight }`, the
 * sums. Evaluations are cut into pieces by memory and threads, and a loss that breaks the contract depends on how.
 *
 * It is refused where it fails at the parameters and at two places around them: at one place alone it could be rounding.
 *
 * @throws ERR_ZEROTH_LOSS that says what to return; what tracing the loss for one or two examples throws.
 */
export async function checkMean(
  device: Device,
  compiler: Compiler,
  params: Params,
  data: DeviceData,
  examples: number,
): Promise<void> {
  if (examples < 2) return;
  const programs: DeviceProgram[] = [];
  let displaced: DeviceBuffer | undefined;
  try {
    for (const rows of [1, 2]) programs.push(await device.load(planFor(compiler, rows, examples)));
    const [one, two] = programs as [DeviceProgram, DeviceProgram];
    const trialsAt = (theta: DeviceBuffer) => trials(device, one, two, theta, data, compiler.weighted ? 2 : 1);
    const found = await trialsAt(params.theta);
    const kinds = compiler.weighted ? (['sum', 'weight'] as const) : (['mean'] as const);
    const suspects = kinds.filter((kind, k) => !keeps(kind, found[k]) || found[k].every((value) => value === 0));
    if (suspects.length === 0) return;
    displaced = device.allocate(params.theta.byteLength);
    const size = DISPLACEMENT * (await rootMeanSquare(device, params));
    const around: Trial[][] = [];
    for (const coefficient of [size, -size]) {
      const direction = { distribution: 'normal' as const, seed: 0n, stream: stream('probe', 0) };
      const terms = [{ direction, coefficient }];
      await device.submit(new CommandList().pass(params.theta, displaced, params.length, [{ kind: 'add', terms }]));
      around.push(await trialsAt(displaced));
    }
    for (const kind of suspects) {
      const k = kinds.indexOf(kind as never);
      // All zeros at θ say nothing: what counts are the others.
      const all = [found, ...around].map((trial) => trial[k]).filter((trial) => trial.some((value) => value !== 0));
      if (all.length > 1 && all.every((trial) => !keeps(kind, trial))) refuse(kind, all[0]);
    }
  } finally {
    for (const program of programs) program.dispose();
    displaced?.dispose();
  }
}

/** A loss that fits all examples may still not fit some of them. */
function planFor(compiler: Compiler, rows: number, examples: number): Uint8Array {
  try {
    return compiler.build('loss', rows).bytes;
  } catch (cause) {
    if (!(cause instanceof ZerothError)) throw cause;
    throw new ZerothError(
      cause.code,
      `loss: expected a function of any number of examples, received one of ${examples}, which with ${rows} fails; take their number from a shape (x.shape[0]). ${cause.message}`,
      { cause },
    );
  }
}

/** One trial an output of the loss program. */
async function trials(
  device: Device,
  one: DeviceProgram,
  two: DeviceProgram,
  theta: DeviceBuffer,
  data: DeviceData,
  outputs: number,
): Promise<Trial[]> {
  const list = new CommandList(3 * outputs);
  const inputs = data.select(list, null);
  for (const [t, [program, first]] of (
    [
      [one, 0],
      [one, 1],
      [two, 0],
    ] as const
  ).entries()) {
    const slots = Array.from({ length: outputs }, (_, k) => ({
      mode: 'addToSlot' as const,
      slot: 3 * k + t,
      weight: 1,
    }));
    list.call(program, [{ buffer: theta, byteOffset: 0 }, ...inputs(first)], slots);
  }
  const values = await device.submit(list);
  return Array.from({ length: outputs }, (_, k) => [values[3 * k], values[3 * k + 1], values[3 * k + 2]] as const);
}

async function rootMeanSquare(device: Device, { theta, length }: Params): Promise<number> {
  const [, squares] = await device.submit(new CommandList(2).sums(theta, 0, length, 0));
  return squares > 0 ? Math.sqrt(squares / length) : 1;
}

function keeps(kind: 'mean' | 'sum' | 'weight', [first, second, together]: Trial): boolean {
  const expected = kind === 'mean' ? (first + second) / 2 : first + second;
  // What is not finite, alone and together, breaks a run by itself, which says so.
  if (!Number.isFinite(expected) || !Number.isFinite(together))
    return Number.isFinite(expected) === Number.isFinite(together);
  return Math.abs(together - expected) <= TOLERANCE * Math.max(Math.abs(first), Math.abs(second), Math.abs(together));
}

function refuse(kind: 'mean' | 'sum' | 'weight', [first, second, together]: Trial): never {
  const digits = (value: number) => String(Number(value.toPrecision(6)));
  const isSum = kind === 'mean' && keeps('sum', [first, second, together]);
  const expected =
    kind === 'mean' ? 'the mean over the examples that it is given' : `a ${kind} over the examples that it is given`;
  const remedy = isSum
    ? 'Take the mean (divide by x.shape[0]), or return { sum, weight }.'
    : kind === 'mean'
      ? 'Where the mean is over positions that a mask chooses, return { sum, weight }; where examples bear on one another, pass the data as constants, which are never divided.'
      : 'Add up terms of single examples; what does not depend on the example belongs into it as often as there are examples.';
  throw new ZerothError(
    'ERR_ZEROTH_LOSS',
    `${kind === 'mean' ? 'loss' : `loss.${kind}`}: expected ${expected}, received ${isSum ? 'a sum' : 'something else'}: the first example gives ${digits(first)}, the second ${digits(second)}, both together ${digits(together)}. ` +
      `Examples are evaluated in pieces, so that this would depend on memory and threads. ${remedy}`,
  );
}
