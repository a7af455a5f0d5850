/** @file What each operator set brought: the first version that has an operator, and the file version that goes with an opset. */

export const oldestOpset = 6;
export const newestOpset = 26;

/** Operators that are younger than opset 6, with the opset that introduced them. */
const since: Readonly<Record<string, number>> = {
  BitwiseAnd: 18,
  ConstantOfShape: 9,
  Cos: 7,
  Sin: 7,
  Erf: 9,
  Expand: 8,
  Gelu: 20,
  GatherElements: 11,
  GatherND: 11,
  GreaterOrEqual: 12,
  HardSwish: 14,
  LessOrEqual: 12,
  LayerNormalization: 17,
  MaxUnpool: 9,
  Mish: 18,
  Mod: 10,
  Round: 11,
  ScatterElements: 11,
  ScatterND: 11,
  Sign: 9,
  Trilu: 14,
  Where: 9,
};

/** The first opset with this operator in the default domain (6 stands for "6 or before"). */
export const introduced = (operator: string): number => since[operator] ?? oldestOpset;

/** The IR version that ONNX's release table pairs with an opset. */
export function irVersionOf(opset: number): number {
  if (opset <= 8) return 3;
  if (opset === 9) return 4;
  if (opset === 10) return 5;
  if (opset === 11) return 6;
  if (opset <= 14) return 7;
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  if (opset <= 22) return 10;
  if (opset === 23) return 11;
  return opset === 24 ? 12 : 13;
}
