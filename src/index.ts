// biome-ignore-all assist/source/organizeImports: the order is that of the data, not of the alphabet
/** @file Table of contents: one list per file, in the order of the data. What needs Node is in "lipschitz/node", the ops in "lipschitz/ops". */
export {
  BatchError,
  DisagreementError,
  EngineError,
  ReadError,
  ShapeError,
  SpecError,
  type UnsupportedNode,
  UnsupportedOperatorError,
  UsageError,
} from "./tensor/errors.ts";
export { mapNamed, type Named, under, within } from "./tensor/named.ts";
export { normalTensor, type Random, random, uniformTensor } from "./tensor/random.ts";
export type { Shape } from "./tensor/shape.ts";
export { cast, type DType, full, scalar, type Tensor, type Type, tensor, toFloat64, zeros } from "./tensor/tensor.ts";

export { grad, vjp } from "./graph/gradient.ts";
export { apply, type Behaviour, type LinearForm, type Node, type OnnxBuilder, type Op } from "./graph/graph.ts";
export { constant, input } from "./graph/leaf.ts";
export type { Network, Port } from "./graph/network.ts";
export { type Origin, originOf } from "./graph/origin.ts";
export { printGraph } from "./graph/print.ts";
export { substitute } from "./graph/rewrite.ts";
export { jvp } from "./graph/tangent.ts";

export { retype } from "./ops/retype.ts";

export { type ModelSource, modelAt, readOnnx, writeOnnx } from "./onnx/file.ts";
export { writeNetwork } from "./onnx/network.ts";
export { type NeuralnetOptions, readNeuralnet } from "./onnx/neuralnet.ts";
export { modelHash, parseOnnx, type ReadOptions } from "./onnx/read.ts";
export { type WriteOptions, writeModel } from "./onnx/write.ts";

export type { Engine, IteratedProgram, Iteration, Program, Provider } from "./engine/engine.ts";
export { evaluate } from "./engine/reference.ts";

export { type Activation, activation, activationNames } from "./layers/activation.ts";
export type { Bounded, FamilyOptions, GammaOptions, Pending } from "./layers/bounded.ts";
export {
  type BatchNormOptions,
  batchNorm,
  type LipschitzBatchNormOptions,
  lipschitzBatchNorm,
} from "./layers/batchNorm.ts";
export { type CenteredSoftplusOptions, centeredSoftplus } from "./layers/centeredSoftplus.ts";
export { type ConvOptions, conv } from "./layers/conv.ts";
export { type DenseOptions, dense } from "./layers/dense.ts";
export { type Family, inFamily, type Model, ofFamily, plainFamily, type Unit } from "./layers/family.ts";
export { dropout } from "./layers/dropout.ts";
export { glorotUniform, heNormal, type Initializer } from "./layers/initializer.ts";
export { fixed, type Layer, type Mode, type Run, type Variables } from "./layers/layer.ts";
export { type LowCurvatureOptions, lowCurvatureFamily, softplusFamily } from "./layers/lowCurvature.ts";
export { averagePool, flatten, globalAveragePool, maxPool, type PoolOptions } from "./layers/pool.ts";
export { orthogonal } from "./layers/orthogonal.ts";
export { sandwich } from "./layers/sandwich.ts";
export { aol } from "./layers/aol.ts";
export { cpl, sll } from "./layers/sll.ts";
export { residual, sequential } from "./layers/sequential.ts";
export { type SpectralOptions, spectral } from "./layers/spectral.ts";

export { type ConvnetOptions, convnet } from "./models/convnet.ts";
export { decisionNetwork } from "./models/decision.ts";
export { freeze } from "./models/freeze.ts";
export { asOneInput, withFixed } from "./models/inputs.ts";
export { minus } from "./models/minus.ts";
export { mlp } from "./models/mlp.ts";
export { withPreprocessing } from "./models/preprocess.ts";
export { type ResnetOptions, resnet } from "./models/resnet.ts";
export { buildModel, type ModelSpec } from "./models/spec.ts";

export {
  checkDataset,
  type Dataset,
  hashDataset,
  type Samples,
  type Split,
  sampleName,
  splitDataset,
  subset,
  take,
  type Unlabelled,
} from "./data/dataset.ts";
export { type ArrayOptions, datasetFromArrays, type StoredArray, type StoredText } from "./data/arrays.ts";
export { parseCsv } from "./data/csv.ts";
export { digits } from "./data/digits.ts";
export { iris } from "./data/iris.ts";
export { parseNpy, parseNpyAny } from "./data/npy.ts";
export type { Preprocessing } from "./data/preprocess.ts";
export type { TableOptions } from "./data/table.ts";
export { squareWave, twoMoons } from "./data/toy.ts";

export type { Bound, Bracket, LayerBound, LowerBound, Norm, UpperBound, Witness } from "./bounds/bound.ts";
export {
  type Bracketed,
  type GainOptions,
  type Gains,
  gains,
  type OutputGain,
  type Quantity,
  type Slope,
  type Steepest,
  type Trend,
} from "./bounds/gain/gains.ts";
export { lipschitz } from "./bounds/index.ts";
export {
  type Difference,
  type DifferenceOptions,
  difference,
  type SlopeDifference,
} from "./bounds/values/difference.ts";
export { type ComplexityLayer, type SpectralComplexity, spectralComplexity } from "./bounds/spectralComplexity.ts";
export { type Extreme, type Extremes, type ExtremesOptions, extremes } from "./bounds/values/extremes.ts";

export { type CheckOptions, checkModel, type ModelCheck } from "./check/model.ts";

export { type AttributionName, attributionNames } from "./curvature/attribution.ts";
export { type CurvatureBound, type CurvatureBoundOptions, curvatureBound } from "./curvature/bound.ts";
export { type Curvature, type CurvatureOptions, curvature, type SampleCurvature } from "./curvature/measure.ts";
export type { Scalar } from "./curvature/points.ts";
export type { Smoothness } from "./curvature/smoothness.ts";
export { gradientStability, type RadiusStability, type StabilityOptions } from "./curvature/stability.ts";
export type { Summary } from "./curvature/summary.ts";

export { type Attacked, type AttackedSample, type AttackOptions, attack, robustAccuracy } from "./attack/attack.ts";
export {
  attackTransforms,
  type TransformAttacked,
  type TransformAttackOptions,
  type TransformedSample,
  transformScore,
} from "./attack/geometric.ts";
export { transformed } from "./attack/manifool.ts";
export {
  type Limits,
  type Parameter,
  type TransformName,
  type Transforms,
  transformImage,
  transformNames,
  transformsOf,
} from "./attack/transforms.ts";
export {
  type AttackName,
  type AttackSpec,
  attackNames,
  deepfool,
  describeProtocol,
  dlr,
  fgsm,
  type Protocol,
  pgd,
  shrink,
} from "./attack/protocol.ts";
export { type AdversarialOptions, adversarial, pgdStep } from "./attack/step.ts";

export { type AdversarialTrainingOptions, adversarialTraining } from "./train/adversarial.ts";
export { afresh, randomLabels } from "./train/afresh.ts";
export { type ClipOptions, clip } from "./train/clip.ts";
export { type Trained, trainNetwork } from "./train/trainNetwork.ts";
export { type LayerKind, type LbdnOptions, lbdn } from "./train/lbdn.ts";
export { type LcnnOptions, lcnn } from "./train/lcnn.ts";
export { type LmtOptions, lmt } from "./train/lmt.ts";
export {
  type Checkpoint,
  type EpochMetrics,
  networkAt,
  type TrainEvent,
  type TrainOptions,
  train,
} from "./train/loop.ts";
export { crossEntropy, type Loss, multiMargin, offsetCrossEntropy, squaredError } from "./train/loss.ts";
export type { Beginning, EpochSummary, Method, Objective, Step } from "./train/method.ts";
export { type GaussNewtonOptions, gaussNewton } from "./train/gaussNewton.ts";
export { adam, type Optimizer, sgd, type Update } from "./train/optimizer.ts";
export {
  type CureOptions,
  cure,
  gradReg,
  type SoftplusDecayOptions,
  softplusDecay,
} from "./train/penalty.ts";
export { plain, weightDecay } from "./train/plain.ts";
export { type SobolevOptions, sobolev, type Target } from "./train/sobolev.ts";
export { targetOf, teacherOf } from "./train/teacher.ts";
export { type WeightPenaltyOptions, weightPenalty } from "./train/weightPenalty.ts";
export { type Projected, type ProjectOptions, projected } from "./train/project.ts";
export { originKey, type Retrofit, type RetrofitOptions, retrofit } from "./train/retrofit.ts";
export { type RpropOptions, rprop } from "./train/rprop.ts";
export { constantRate, cosine, piecewiseLinear, type Schedule, stepRate } from "./train/schedule.ts";

export { type BandOptions, type Bands, errorBands } from "./certify/bands.ts";
export { type CertificateOptions, type Certified, makeCertificate, type Unverifiable } from "./certify/certificate.ts";
export { type Certification, certify, labelledBy, logitsOf } from "./certify/evaluate.ts";
export {
  type Explained,
  type ExplainedSample,
  type ExplainOptions,
  type Explanation,
  explain,
  type Stability,
} from "./certify/explain.ts";
export { type Ranked, type RankedSample, type RankOptions, rankByDistance } from "./certify/rank.ts";
export {
  certifyRanges,
  type RangedSample,
  type RangeOptions,
  type Ranges,
  type RangeViolation,
  rangeViolations,
} from "./certify/ranges.ts";
export {
  type NormalizedMargins,
  type NormalizedMarginsOptions,
  normalizedMargins,
} from "./certify/normalizedMargins.ts";
export { type Checked, checkProperty } from "./certify/property/check.ts";
export { parseVnnlib, type Property } from "./certify/property/vnnlib.ts";
export type { Certificate } from "./verify/certificate.ts";
export type { VerifyData } from "./verify/samples.ts";
export { type Verdict, verify } from "./verify/verify.ts";

export {
  type ActiveOptions,
  type ActiveRound,
  activeLearning,
  type Strategy,
  strategyNames,
} from "./experiment/active.ts";
export { checkRecords, type RunRecord } from "./experiment/record.ts";
export type { Measured } from "./experiment/measure.ts";
export { type RunEvent, run, trainingOf } from "./experiment/run.ts";
export { taught } from "./experiment/taught.ts";
export type { SampleRecord } from "./experiment/samples.ts";
export { defaultSpec, defaultsFor, type RunSpec } from "./experiment/spec.ts";

export type { Reported } from "./report/groups.ts";
export { renderReport } from "./report/report.ts";
