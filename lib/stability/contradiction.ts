/** What is exact is so up to rounding: nobody adds eigenvalues in one order. */
const ROUNDING = 1e-9;

/** Numbers of one spectrum, as a `Curvature` has them. */
interface Spectrum {
  readonly trace: number;
  readonly lambdaMax: number;
  readonly lambdaMin?: number;
  readonly negativeTrace?: number;
  readonly dimension?: number;
}

/**
 * What no symmetric matrix has, as a sentence; undefined where some spectrum is as it is said to be.
 *
 * λmin < 0 is an eigenvalue; λmin ≥ 0 may be a bound of them, by which one says that none is negative. With d eigenvalues, for d as given or for
 * some d,
 *
 *     λmax + (d − 1) λmin ≤ tr ≤ min(λmin, 0) + (d − 1) λmax,    and d λmax on the right where λmin ≥ 0 or unknown
 *
 * With N = Σ max(−λ, 0) the positive ones add up to tr + N, at least λmax and at least (tr + N)/λmax of them; the negative ones to −N, at
 * least |λmin| and at least N/|λmin| of them.
 */
export function contradictionIn({
  trace,
  lambdaMax,
  lambdaMin,
  negativeTrace,
  dimension,
}: Spectrum): string | undefined {
  const sizes = [trace, lambdaMax, lambdaMin, negativeTrace].map((value = 0) => Math.abs(value));
  const slack = ROUNDING * sizes.reduce((sum, size) => sum + size);
  const isBelow = (a: number, b: number) => a < b - slack;
  const atLeast = (sum: number, each: number) => Math.ceil((sum - slack) / each);

  if (lambdaMin !== undefined && isBelow(lambdaMax, lambdaMin)) return `λmin ${lambdaMin} is above λmax ${lambdaMax}`;
  if (lambdaMax <= 0 && isBelow(lambdaMax, trace))
    return `a trace of ${trace} needs an eigenvalue above λmax ${lambdaMax}`;
  if (
    dimension === 1 &&
    (isBelow(trace, lambdaMax) || (lambdaMin !== undefined && lambdaMin < 0 && isBelow(lambdaMin, lambdaMax)))
  )
    return `one eigenvalue is λmax ${lambdaMax}, λmin ${lambdaMin ?? 'too'} and trace ${trace} at once`;

  const negative = negativeTrace ?? (lambdaMin !== undefined && lambdaMin >= 0 ? 0 : undefined);
  if (negative !== undefined) {
    const positive = trace + negative;
    if (lambdaMin !== undefined && isBelow(negative, -lambdaMin))
      return `λmin ${lambdaMin} makes Σ max(−λ, 0) at least ${-lambdaMin}, and it is ${negative}`;
    if (lambdaMin !== undefined && lambdaMin >= 0 && negative > slack)
      return `λmin ${lambdaMin} leaves no negative eigenvalue, and Σ max(−λ, 0) is ${negative}`;
    if (lambdaMax <= 0 && Math.abs(positive) > slack)
      return `λmax ${lambdaMax} leaves no positive eigenvalue, so that Σ max(−λ, 0) is ${-trace}, and it is ${negative}`;
    if (lambdaMax > 0 && isBelow(positive, lambdaMax))
      return `trace ${trace} below λmax ${lambdaMax} needs negative eigenvalues that add up to ${trace - lambdaMax} or less, and Σ max(−λ, 0) is ${negative}`;
    const positives = lambdaMax > 0 ? atLeast(positive, lambdaMax) : 0;
    const negatives = negative <= slack ? 0 : lambdaMin === undefined ? 1 : atLeast(negative, -lambdaMin);
    if (dimension !== undefined && positives + negatives > dimension)
      return `trace ${trace}, λmax ${lambdaMax} and Σ max(−λ, 0) ${negative} take ${positives + negatives} eigenvalues, and the dimension is ${dimension}`;
  }

  const counts = spectrumSizes(trace, lambdaMin ?? Number.NEGATIVE_INFINITY, lambdaMax, slack);
  if (dimension === undefined ? counts.min <= counts.max : counts.min <= dimension && dimension <= counts.max)
    return undefined;
  const [whose, from] = [dimension ?? 'any number of', lambdaMin === undefined ? '' : `from λmin ${lambdaMin} `];
  return `no trace of ${trace} comes of ${whose} eigenvalues ${from}up to λmax ${lambdaMax}`;
}

/** How many eigenvalues from `low` to `high` can add up to a trace; none where min > max. */
function spectrumSizes(trace: number, low: number, high: number, slack: number): { min: number; max: number } {
  // All but one are at one end at most. The other is there, too, if it is an eigenvalue.
  const isBound = low >= 0 || low === Number.NEGATIVE_INFINITY;
  const [least, others] = isBound ? [0, 0] : [low, 1];
  let [min, max] = [!isBound && high - low > slack ? 2 : 1, Number.POSITIVE_INFINITY];
  if (high > 0) min = Math.max(min, others + Math.ceil((trace - least - slack) / high));
  if (high < 0) max = others + Math.floor((trace - least - slack) / high);
  if (high === 0 && trace > least + slack) max = 0;
  if (low > 0) max = Math.min(max, 1 + Math.floor((trace - high + slack) / low));
  if (low === 0 && trace < high - slack) max = 0;
  if (low < 0 && Number.isFinite(low)) min = Math.max(min, 1 + Math.ceil((trace - high + slack) / low));
  // The first is λmax itself: the trace of one is no less.
  if (trace < high - slack) min = Math.max(min, 2);
  return { min, max };
}
