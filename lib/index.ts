/**
 * Zeroth: zeroth-order training at the edge of stability. This file is the whole public API.
 *
 * - Say what to minimise: `ops` on traced tensors, layers, losses, models, data; `supervised` puts them together.
 * - Put it on a device: `openDevice`, `compile`.
 * - Train it: a recipe such as `zoGD`, and `train`; or take `objective.losses` and do it your own way.
 * - Ask how far the edge is: `edgeOfStability`, `criticalStepSize`, `lanczosQuadrature`, `hutchinsonTrace`.
 */

// Theory and measurement.
export { type HutchinsonOptions, hutchinsonTrace, type TraceEstimate } from './curvature/hutchinson-trace.ts';
export {
  type LanczosQuadratureOptions,
  lanczosQuadrature,
  type SpectrumEstimate,
} from './curvature/lanczos-quadrature.ts';
export type { LinearOperator } from './curvature/operator.ts';
export { type PreconditionedOperator, preconditionedOperator } from './curvature/preconditioned-operator.ts';
export { type TopEigenvalues, type TopEigenvaluesOptions, topEigenvalues } from './curvature/top-eigenvalues.ts';
export { type Cifar10Options, cifar10Data } from './data/cifar10.ts';
export type { Dataset, LabelledData } from './data/dataset.ts';
export { type SortingOptions, sortingMlpData } from './data/sorting.ts';
// On a device.
export { type Device, type DeviceBuffer, type DeviceMemory, type DeviceOptions, openDevice } from './device/device.ts';
export { type ErrorCode, ZerothError } from './errors.ts';
export type { HostArray, NumberArray, TypedArray } from './graph/host-array.ts';
export type { DType, Shape } from './graph/node.ts';
export type { Tensor } from './graph/ops.ts';
// What to minimise.
export * as ops from './graph/ops.ts';
export { type MlpOptions, mlp } from './models/mlp.ts';
export type { Model } from './models/model.ts';
export { type SortingMlpOptions, sortingMlp } from './models/sorting-mlp.ts';
export { linear, linearParameters } from './nn/linear.ts';
export { softmaxCrossEntropy, squaredLoss, type WeightedSum } from './nn/losses.ts';
export { type LstmState, type LstmWeights, lstm, lstmCell, lstmParameters } from './nn/lstm.ts';
export { accuracy } from './nn/metrics.ts';
export type { Initialiser, ParameterSpec } from './nn/parameters.ts';
export * as initialisers from './nn/parameters.ts';
export type { Evaluated, EvaluatedArray } from './objective/evaluate.ts';
export type { HessianOperator } from './objective/hessian.ts';
export { compile, type Objective, type ObjectiveOptions } from './objective/objective.ts';
export type { LossValue, Problem, Tensors } from './objective/problem.ts';
export { type SupervisedOptions, supervised } from './objective/supervised.ts';
// Optimizers: an estimator times an update rule.
export { clipNorm } from './optimizers/estimators/clip-norm.ts';
export { exactGradient } from './optimizers/estimators/exact-gradient.ts';
export { forwardGradient } from './optimizers/estimators/forward-gradient.ts';
export { gaussianTwoPoint } from './optimizers/estimators/gaussian-two-point.ts';
export { meanOfQueries } from './optimizers/estimators/mean-of-queries.ts';
export { oneSided } from './optimizers/estimators/one-sided.ts';
export { rademacherTwoPoint } from './optimizers/estimators/rademacher-two-point.ts';
export { sphereTwoPoint } from './optimizers/estimators/sphere-two-point.ts';
export { type SvrgState, zoSvrg } from './optimizers/estimators/zo-svrg.ts';
export { inSpace } from './optimizers/in-space.ts';
export type { Json, Options } from './optimizers/json.ts';
export {
  type Linear,
  type LinearEstimate,
  type LossCombination,
  linearEstimator,
} from './optimizers/linear-estimate.ts';
export type {
  DenseGradient,
  Directions,
  Estimate,
  EstimateRequest,
  Estimator,
  Moments,
  Optimizer,
  Point,
  RuleStates,
  StatefulEstimate,
  StatelessEstimator,
  StateName,
  Term,
  Update,
  UpdateRule,
} from './optimizers/optimizer.ts';
export type { HeldPoint, Oracle, StepOracle } from './optimizers/oracle.ts';
export {
  adam,
  frozenZoAdam,
  gd,
  gdm,
  mezo,
  type QueryOptions,
  spsa,
  zoAdam,
  zoAdamW,
  zoGD,
  zoGDM,
  zoLion,
  zoSignSGD,
  zoSVRG,
} from './optimizers/recipes.ts';
export type { RuleProgram } from './optimizers/rule-program.ts';
export { adamRule } from './optimizers/rules/adam.ts';
export { clipValue } from './optimizers/rules/clip-value.ts';
export { frozenAdam } from './optimizers/rules/frozen-adam.ts';
export { lion } from './optimizers/rules/lion.ts';
export { plain } from './optimizers/rules/plain.ts';
export { polyakMomentum } from './optimizers/rules/polyak-momentum.ts';
export { signDescent } from './optimizers/rules/sign-descent.ts';
export { type TracedRule, tracedRule } from './optimizers/rules/traced-rule.ts';
export { weightDecay } from './optimizers/rules/weight-decay.ts';
export * as schedules from './optimizers/schedules.ts';
export type { SpaceSpec, TensorSpace } from './optimizers/space-spec.ts';
export type { CurvatureReading, LearningRate, Schedule, StepInfo, StepSize } from './optimizers/step-size.ts';
export type { Layout, TensorSlot } from './params/layout.ts';
export type { MeasuredParams, VectorSums } from './params/measure.ts';
export type { DeviceGradient, Displacement, Params, VectorPiece } from './params/params.ts';
export type { WrittenDType } from './params/safetensors/dtype.ts';
export type { TensorInfo } from './params/safetensors/header.ts';
export {
  type LoadOptions,
  loadSafetensors,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsReader,
} from './params/safetensors/read.ts';
export type { SafeTensor, TensorArray, TensorSource, TransferOptions } from './params/safetensors/tensor.ts';
export { saveSafetensors } from './params/safetensors/write.ts';
export type { InitialStates } from './params/states.ts';
export type { TensorValues } from './params/weights.ts';
export { type Direction, type Distribution, type Purpose, stream } from './random/direction.ts';
export { PhiloxStream } from './random/philox.ts';
export type { Seed } from './random/seed.ts';
export type { Mask, PlacedSegment, Segment, Space } from './random/space.ts';
export { type ReportOptions, writePlots, writeReport } from './report/report.ts';
export type { RunSummary } from './report/summary.ts';
export {
  type Sampling,
  type StabilityOptimizer,
  stabilityBounds,
  stabilityLimit,
  stepSizeBounds,
} from './stability/bounds.ts';
export { criticalStepSize } from './stability/critical-step-size.ts';
export type { Curvature } from './stability/curvature.ts';
export { type EdgeOfStability, type EdgeVerdict, edgeOfStability } from './stability/edge.ts';
// Training.
export { type Checkpoint, type LoadedCheckpoint, loadCheckpoint } from './train/checkpoint.ts';
export type * from './train/events.ts';
export type { Identity } from './train/identity.ts';
export { readRunLog } from './train/log.ts';
export type { Metric } from './train/metrics.ts';
export type { TrainOptions } from './train/options.ts';
export type { StoredStepSize } from './train/step-sizer.ts';
export { train } from './train/train.ts';
export type { Training } from './train/training.ts';
export { version } from './version.ts';
