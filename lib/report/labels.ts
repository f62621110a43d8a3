import { shortened } from './format.ts';
import { type RunSummary, stepSizeText } from './summary.ts';

/** Characters of a name of somebody's choice in a label: the rest of the label must be seen, too. */
const NAME = 36;

/**
 * Names runs by what tells them apart: of model, optimizer and η whatever differs (η where there is one run), then as much of μ, β, batch,
 * seed and steps as it takes; the folders' names where nothing of that does, and a number where not even those.
 */
export function runLabels(summaries: readonly RunSummary[]): string[] {
  const [name, optimizer, rate, ...rest]: ((summary: RunSummary) => string)[] = [
    ({ run }) => shortened(run.name, NAME),
    ({ run }) => run.optimizer.name,
    (summary) => `η = ${stepSizeText(summary)}`,
    ({ run }) => (run.optimizer.mu === undefined ? '' : `μ = ${run.optimizer.mu}`),
    ({ run }) => (run.optimizer.beta === undefined ? '' : `β = ${run.optimizer.beta}`),
    ({ run }) => `batch ${run.batch}`,
    ({ run }) => `seed ${run.seed}`,
    ({ run }) => `${run.steps} ${run.steps === 1 ? 'step' : 'steps'}`,
  ];
  if (summaries.length === 1) return summaries.map(rate);
  const differs = (trait: (summary: RunSummary) => string) => new Set(summaries.map(trait)).size > 1;
  const used = [name, optimizer, rate].filter(differs);
  const labelsOf = () =>
    summaries.map((summary) =>
      used
        .map((trait) => trait(summary))
        .filter(Boolean)
        .join(', '),
    );
  const distinct = () => new Set(labelsOf()).size;
  for (const trait of rest.filter(differs)) {
    const before = distinct();
    used.push(trait);
    if (distinct() === before) used.pop();
  }
  const labels = labelsOf();
  const folders = summaries.map(({ source }) => shortened(source, NAME));
  const isAlone = (texts: readonly string[], i: number) =>
    texts[i] !== '' && texts.filter((text) => text === texts[i]).length === 1;
  return labels.map((label, i) => {
    if (isAlone(labels, i)) return label;
    const which = isAlone(folders, i) ? folders[i] : `run ${i + 1}`;
    return label === '' ? which : `${label}, ${which}`;
  });
}
