/** @file Layers of low curvature: spectrally normalised weights, capped batch-norm, centred softplus. What a family's activation is called then only says where one stands. */
import { type Activation, activation } from "./activation.ts";
import { lipschitzBatchNorm } from "./batchNorm.ts";
import { centeredSoftplus } from "./centeredSoftplus.ts";
import { conv } from "./conv.ts";
import { dense } from "./dense.ts";
import { type Family, plainFamily, type Unit } from "./family.ts";
import type { Layer } from "./layer.ts";
import { spectral } from "./spectral.ts";

export interface LowCurvatureOptions {
  /** Of every activation at first. Default: 5. */
  readonly beta?: number;
  /** Cap of every batch-norm at first. Default: 10. */
  readonly gamma?: number;
}

/**
 * Each linear map over its norm; then a batch-norm capped at gamma, or where there is none a learned gain that starts at the norm of
 * the first weight; then a centred softplus with a beta of its own. Shortcuts stay as they are.
 * Reference: Srinivas et al. 2022, section 4.
 */
export function lowCurvatureFamily({ beta = 5, gamma = 10 }: LowCurvatureOptions = {}): Family {
  const softened = (name: Activation): Layer[] => (name === "identity" ? [] : [centeredSoftplus({ beta })]);
  const following = (linear: Layer, unit: Unit): Layer[] => [
    ...(unit.batchNorm ? [spectral(linear), lipschitzBatchNorm({ gamma })] : [spectral(linear, { gain: "learned" })]),
    ...softened(unit.activation),
  ];
  return {
    ...plainFamily,
    name: "low-curvature",
    // Hardly softer than ReLUs at first, so that the network begins as it is.
    softens: { beta: 100, kind: "learned", caps: true },
    dense: (width, unit) => following(dense(width, { bias: !unit.batchNorm }), unit),
    conv: (channels, options, unit) => following(conv(channels, { bias: !unit.batchNorm, ...options }), unit),
    last: (outputs) => [spectral(dense(outputs), { gain: "learned" })],
    activation: (name) => (name === "identity" ? activation(name) : centeredSoftplus({ beta })),
  };
}

/** Plain layers with a centred softplus of a given beta for every activation: 1000 is a ReLU with a second derivative. */
export function softplusFamily(beta: number): Family {
  const swapped = (layers: readonly Layer[], name: Activation): Layer[] => [
    ...layers,
    ...(name === "identity" ? [] : [centeredSoftplus({ beta, kind: "fixed" })]),
  ];
  const bare = (unit: Unit): Unit => ({ ...unit, activation: "identity" });
  return {
    ...plainFamily,
    name: `softplus ${beta}`,
    softens: { beta, kind: "fixed", caps: false },
    dense: (width, unit) => swapped(plainFamily.dense(width, bare(unit)), unit.activation),
    conv: (channels, options, unit) => swapped(plainFamily.conv(channels, options, bare(unit)), unit.activation),
    activation: (name) => (name === "identity" ? activation(name) : centeredSoftplus({ beta, kind: "fixed" })),
  };
}
