/** @file Tests of engine.ts: what those who call without types are told. */
import { describe, expect, it } from "vitest";
import { functionOf } from "../../test/functions.ts";
import { plainEngine } from "../../test/plainEngine.ts";
import { attack } from "../attack/attack.ts";
import { lipschitz } from "../bounds/index.ts";
import { certify, labelledBy } from "../certify/evaluate.ts";
import { curvature } from "../curvature/measure.ts";
import { iris } from "../data/iris.ts";
import { mlp } from "../models/mlp.ts";
import { UsageError } from "../tensor/errors.ts";
import { trainNetwork } from "../train/trainNetwork.ts";
import { type Engine, needEngine } from "./engine.ts";

describe("needEngine()", () => {
  it("gives an engine back", () => {
    expect(needEngine("f", plainEngine)).toBe(plainEngine);
  });

  const network = functionOf([4], (x) => x);
  const { test: data, ...rest } = iris();
  const none = { engine: undefined as unknown as Engine };
  it.each([
    ["lipschitz", () => lipschitz(network, none)],
    ["certify", () => certify(network, { ...none, data })],
    ["labelledBy", () => labelledBy(network, none.engine, data)],
    ["attack", () => attack(network, { ...none, data })],
    ["curvature", () => curvature(network, { ...none, data })],
    ["trainNetwork", () => trainNetwork({ ...none, data: { ...rest, test: data }, model: mlp([4, 3]) })],
  ])("%s says what to pass", async (_, call) => {
    const failed = call();
    await expect(failed).rejects.toThrow(UsageError);
    await expect(failed).rejects.toThrow(
      /: needs an engine to run the network, got undefined; pass engine: nodeEngine\(\) of "lipschitz\/node"/,
    );
  });
});
