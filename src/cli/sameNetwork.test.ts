import { expect, it } from "vitest";
import { checkSameNetwork } from "./sameNetwork.ts";

const place = { option: "--certificate", file: "c.json", model: "m.onnx" };
const own = { sha256: "a" };

it("tells networks of the same bytes apart by what stands before them", () => {
  checkSameNetwork(place, own, { ...own, preprocessing: {} });
  checkSameNetwork(
    place,
    { ...own, preprocessing: { mean: [1], scale: 2 } },
    { ...own, preprocessing: { scale: 2, mean: [1] } },
  );
  checkSameNetwork(
    place,
    { ...own, inputs: ["x"], fixed: { a: 1, b: 2 } },
    { ...own, inputs: ["x"], fixed: { b: 2, a: 1 } },
  );
  expect(() => checkSameNetwork(place, own, { sha256: "b" })).toThrow("c.json: is of another model than m.onnx");
  expect(() => checkSameNetwork(place, { ...own, preprocessing: { mean: [0.5] } }, own)).toThrow(
    "--certificate c.json: is of another preprocessing than m.onnx here; give what it was made with: --mean 0.5",
  );
  expect(() => checkSameNetwork(place, own, { ...own, fixed: { b: 2 } })).toThrow(/another choice of inputs/);
});
