// node bench/survival.js [preset] [optimizer] [--seeds 40] [--data <folder>]
// Trains the presets by their defaults with many seeds: how many runs finish, and where their curvature stands against its limit in the
// last third. Exits with 1 where fewer than 95 % finish, or one that promises its edge does not come close to it.
import { parseArgs } from 'node:util';
import { openPreset } from '../dist/cli/engine.js';
import { makeOptimizer } from '../dist/cli/optimizer-options.js';
import { presetNames, presets, tunedNames } from '../dist/cli/presets.js';
import { newSettings } from '../dist/cli/settings.js';
import { train } from '../dist/train/train.js';
import { median } from './cases.js';

const SURVIVE = 0.95;
/** What "close to the edge" means here, in the median over seeds. */
const CLOSE = 0.8;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: 'string', default: '40' }, data: { type: 'string' } },
});
const [wantedPreset, wantedOptimizer] = positionals;
const seeds = Number(values.seeds);

let failed = false;
for (const name of presetNames.filter((one) => wantedPreset === undefined || one === wantedPreset)) {
  if (presets[name].needsData && values.data === undefined) {
    console.log(`${name}: skipped, it needs --data`);
    continue;
  }
  for (const optimizer of tunedNames.filter((one) => wantedOptimizer === undefined || one === wantedOptimizer)) {
    const { lr, steps, reaches } = presets[name].runs[optimizer];
    const data = presets[name].needsData ? values.data : undefined;
    const shares = [];
    const dead = [];
    for (let seed = 0; seed < seeds; seed++) {
      const settings = newSettings(name, { optimizer, seed: String(seed), data, threads: 1 });
      const { share, end } = await once(settings);
      if (end.reason === 'completed') shares.push(share);
      else dead.push(`${seed} (${end.steps})`);
    }
    const middle = shares.length > 0 ? median(shares) : Number.NaN;
    const survived = shares.length >= SURVIVE * seeds;
    const kept = reaches === 'below' || middle >= CLOSE;
    failed ||= !survived || !kept;
    const [low, high] = [Math.min(...shares), Math.max(...shares)].map((share) => share.toFixed(2));
    console.log(
      `${survived && kept ? 'ok    ' : 'FAILED'} ${name} ${optimizer} η = ${lr}, ${steps} steps: ${shares.length} of ${seeds} finish, ` +
        `curvature ÷ limit ${middle.toFixed(2)} [${low}, ${high}], promised: ${reaches}` +
        `${dead.length > 0 ? `; diverged: seed (step) ${dead.join(', ')}` : ''}`,
    );
  }
}
process.exitCode = failed ? 1 : 0;

/** One run, and the median of its curvature ÷ limit over the last third. */
async function once(settings) {
  const { device, objective } = await openPreset(settings);
  const ratios = [];
  let end;
  try {
    const { steps, seed } = settings;
    const monitorEvery = Math.max(1, Math.floor(steps / 24));
    for await (const event of train(objective, makeOptimizer(settings), { steps, seed: BigInt(seed), monitorEvery })) {
      if (event.type === 'monitor' && event.step >= (2 / 3) * steps) ratios.push(event.ratio);
      if (event.type === 'end') end = event;
    }
  } finally {
    await device.dispose();
  }
  return { share: ratios.length > 0 ? median(ratios) : Number.NaN, end };
}
