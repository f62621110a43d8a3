// The edge of stability: the same small network is trained at three step sizes, and the trace of its Hessian is compared with its
// limit 2/η. One sees that the largest step drives the trace up to its limit and no further, while smaller ones stay below.
// Run: node examples/edge.js (some seconds)
import { compile, openDevice, sortingMlp, sortingMlpData, squaredLoss, supervised, train, zoGD } from 'zeroth';

const device = openDevice();
const problem = supervised(sortingMlp(), sortingMlpData({ seed: 2n }), squaredLoss);
for (const lr of [0.01, 0.03, 0.05]) {
  const objective = await compile(device, problem, { seed: 2 });
  const options = { steps: 1500, seed: 2, monitorEvery: 500, probes: 32 };
  for await (const event of train(objective, zoGD({ lr }), options)) {
    if (event.type === 'monitor') {
      const { step, loss, trace, traceStdErr, ratio, verdict } = event;
      console.log(
        `η = ${lr}   step ${String(step).padStart(4)}   loss ${loss.toFixed(3)}   trace ${trace.toFixed(1).padStart(5)}` +
          ` ± ${traceStdErr.toFixed(1)}   of its limit ${ratio.toFixed(2)}   ${verdict}`,
      );
    }
    if (event.type === 'end') console.log(`η = ${lr}   ${event.message}\n`);
  }
  await objective.dispose();
}
await device.dispose();
