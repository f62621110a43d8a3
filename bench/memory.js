// Peak memory of whole processes: one evaluates a loss, the other does ZO-GD steps on the same model.
// Run by itself as `node bench/memory.js loss|step`, it is such a process and prints its peak in bytes.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { mlp } from '../dist/models/mlp.js';
import { squaredLoss } from '../dist/nn/losses.js';
import { compile } from '../dist/objective/objective.js';
import { supervised } from '../dist/objective/supervised.js';
import { zoGD } from '../dist/optimizers/recipes.js';
import { train } from '../dist/train/train.js';
import { syntheticData, withDevice } from './cases.js';

const self = fileURLToPath(import.meta.url);

/** 75 million parameters, 300 MB: a second copy of them, or a stored z, would show at once. */
const model = () => mlp({ sizes: [4096, 8192, 4096, 1024] });

export function peakMemory() {
  const peak = (what) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [self, what], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`memory.js ${what} failed: ${stderr}`);
    return Number(stdout);
  };
  const [loss, step] = [peak('loss'), peak('step')];
  return { name: 'peak memory, 75 M parameters', lossBytes: loss, stepBytes: step, ratio: step / loss, target: 1.1 };
}

async function child(what) {
  await withDevice(async (device) => {
    const objective = await compile(device, supervised(model(), syntheticData(4096, 4, 64), squaredLoss));
    if (what === 'loss') {
      await objective.losses([[]]);
    } else {
      for await (const _ of train(objective, zoGD({ lr: 1e-6 }), { steps: 3 }));
    }
  });
  console.log(process.resourceUsage().maxRSS * 1024);
}

if (process.argv[1] === self) await child(process.argv[2]);
