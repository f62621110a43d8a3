// The curvature of a loss, measured by exact Hessian-vector products, and what it says about the step size.
// One sees the largest eigenvalues and the trace of a network at initialisation with their errors, and the band in which its critical
// step size lies; then, for a network so small that its whole spectrum is at hand, the critical step size itself.
// Run: node examples/hessian.js (a second)
import * as zeroth from 'zeroth';

const device = zeroth.openDevice();
const optimizer = zeroth.zoGD({ lr: 0.05 });
const show = (numbers) => Array.from(numbers, (value) => value.toPrecision(3)).join(', ');

const sorting = zeroth.supervised(zeroth.sortingMlp(), zeroth.sortingMlpData({ seed: 0n }), zeroth.squaredLoss);
const objective = await zeroth.compile(device, sorting);
const hessian = await objective.hessian();
const top = await zeroth.topEigenvalues(hessian, { count: 3 });
const { trace, standardError, hvps } = await zeroth.hutchinsonTrace(hessian, { probes: 200 });
const { negativeTrace, negativeTraceStdErr } = await zeroth.lanczosQuadrature(hessian);
const band = zeroth.stepSizeBounds({ trace, lambdaMax: top.values[0], negativeTrace }, optimizer);
console.log(`${objective.name}, ${objective.dimension} parameters, at initialisation`);
console.log(`  top eigenvalues ${show(top.values)} (residuals ${show(top.residuals)}; ${top.hvps} products)`);
console.log(`  trace ${trace.toFixed(2)} ± ${standardError.toFixed(2)} (${hvps} products)`);
console.log(`  negative eigenvalues add up to −${negativeTrace.toFixed(2)} ± ${negativeTraceStdErr.toFixed(2)}`);
console.log(`  ZO-GD's critical step size lies between ${show([band.min, band.max])}`);

// 17 parameters: the products with the columns of the identity are the Hessian, and as many eigenvalues as parameters its spectrum.
const data = {
  x: [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ],
  y: [0, 1, 1, 0],
};
const tiny = zeroth.supervised(zeroth.mlp({ sizes: [2, 3, 2], name: 'xor' }), data, zeroth.squaredLoss);
const small = await zeroth.compile(device, tiny, { seed: 3 });
const exact = await small.hessian();
const d = small.dimension;
const identity = Float32Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0));
const dense = await exact.apply(identity, d);
const diagonal = Array.from({ length: d }, (_, i) => dense[i * (d + 1)]);
const { values: spectrum } = await zeroth.topEigenvalues(exact, { count: d });
const sum = (numbers) => numbers.reduce((total, value) => total + value, 0);
console.log(`${small.name}, ${d} parameters, at initialisation`);
console.log(`  spectrum ${show(spectrum)}`);
console.log(`  trace ${sum(diagonal).toFixed(4)} from the diagonal, ${sum(spectrum).toFixed(4)} from the spectrum`);
console.log(`  critical step size of ZO-GD ${zeroth.criticalStepSize(spectrum, optimizer).toFixed(4)}`);
console.log(`  critical step size of GD ${zeroth.criticalStepSize(spectrum, zeroth.gd({ lr: 0.05 })).toFixed(4)}`);
await device.dispose();
