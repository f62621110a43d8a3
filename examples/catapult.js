// A catapult: in mid-run the step size of ZO-Adam is more than tripled, which puts the trace of P⁻¹H above its limit 2/η.
// One sees the loss jump, the trace fall back below the new limit (Adam's P grows with the gradients), and training go on there.
// Run: node examples/catapult.js (some seconds)
import {
  compile,
  openDevice,
  schedules,
  sortingMlp,
  sortingMlpData,
  squaredLoss,
  supervised,
  train,
  zoAdam,
} from 'zeroth';

const raised = 1000;
const lr = schedules.piecewise({ 0: 0.003, [raised]: 0.01 });
const device = openDevice();
const problem = supervised(sortingMlp(), sortingMlpData({ seed: 2n }), squaredLoss);
const objective = await compile(device, problem, { seed: 2 });
const optimizer = zoAdam({ lr, beta2: 0.99 });
let peak = 0;
for await (const event of train(objective, optimizer, { steps: 2500, seed: 2, monitorEvery: 125, probes: 16 })) {
  if (event.type === 'step') peak = Math.max(peak, event.loss);
  if (event.type === 'monitor' && event.step >= raised - 500) {
    const { step, loss, trace, limit, ratio } = event;
    if (step === raised) console.log(`step ${raised}   η is raised from ${lr.at(raised - 1)} to ${event.lr}`);
    console.log(
      `step ${String(step).padStart(4)}   loss ${loss.toFixed(3)} (at most ${peak.toFixed(3)} since the last line)` +
        `   trace ${trace.toFixed(0).padStart(3)}   limit ${limit.toFixed(0)}   ratio ${ratio.toFixed(2)}`,
    );
    peak = 0;
  }
  if (event.type === 'end') console.log(event.message);
}
await objective.dispose();
await device.dispose();
