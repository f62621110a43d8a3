import { type RunSummary, stepSizeText } from './summary.ts';

/**
 * Names runs by what tells them apart: η when it differs or there is one run, then whatever else differs
 * (model, optimizer, μ, β, seed), and a number where nothing does.
 */
export function runLabels(summaries: readonly RunSummary[]): string[] {
  const traits: ((summary: RunSummary) => string)[] = [
    ({ run }) => run.name,
    ({ run }) => run.optimizer.name,
    (summary) => `η = ${stepSizeText(summary)}`,
    ({ run }) => (run.optimizer.mu === undefined ? '' : `μ = ${run.optimizer.mu}`),
    ({ run }) => (run.optimizer.beta === undefined ? '' : `β = ${run.optimizer.beta}`),
    ({ run }) => `batch ${run.batch}`,
    ({ run }) => `seed ${run.seed}`,
  ];
  const differing = traits.filter((trait, i) => {
    const values = new Set(summaries.map(trait));
    return values.size > 1 || (summaries.length === 1 && i === 2);
  });
  const labels = summaries.map((summary) =>
    differing
      .map((trait) => trait(summary))
      .filter(Boolean)
      .join(', '),
  );
  return labels.map((label, i) => {
    const unique = label !== '' && labels.filter((other) => other === label).length === 1;
    return unique ? label : `${label === '' ? 'run' : `${label}, run`} ${i + 1}`;
  });
}
