/** @file Families of layers: the same architecture, other layers. */
import { describe, expect, it } from "vitest";
import { convnet } from "../models/convnet.ts";
import { mlp } from "../models/mlp.ts";
import { resnet } from "../models/resnet.ts";
import { random } from "../tensor/random.ts";
import { dense } from "./dense.ts";
import { type Family, inFamily, plainFamily } from "./family.ts";

/** The plain family, with a note of what was asked of it. */
function noting(): { readonly family: Family; readonly asked: string[] } {
  const asked: string[] = [];
  const family: Family = {
    ...plainFamily,
    name: "noting",
    dense: (width, unit) => {
      asked.push(`dense ${width} ${unit.activation}`);
      return plainFamily.dense(width, unit);
    },
    conv: (channels, options, unit) => {
      asked.push(`conv ${channels} ${unit.activation}${unit.batchNorm ? " normalized" : ""}`);
      return plainFamily.conv(channels, options, unit);
    },
    last: (outputs, before) => {
      asked.push(`last ${outputs}`);
      return plainFamily.last(outputs, before);
    },
  };
  return { family, asked };
}

describe("inFamily()", () => {
  it("builds the same architecture from the layers of the family", () => {
    const { family, asked } = noting();
    const model = mlp([4, 8, 6, 3], { activation: "tanh" });
    const other = inFamily(model, family);
    expect(asked).toEqual(["dense 8 tanh", "dense 6 tanh", "last 3"]);
    expect(other.init(random(1), [4])).toEqual(model.init(random(1), [4]));
    expect(other.name).toBe("mlp");
  });

  it("reaches every layer of a convolutional network", () => {
    const { family, asked } = noting();
    inFamily(convnet(5, { channels: [2, 3], hidden: 7 }), family);
    expect(asked).toEqual(["conv 2 relu", "conv 3 relu", "dense 7 relu", "last 5"]);
    asked.length = 0;
    inFamily(resnet(5, { channels: [2, 3] }), family);
    const unit = (c: number) => [`conv ${c} relu normalized`, `conv ${c} identity normalized`];
    expect(asked.toSorted()).toEqual(
      ["conv 2 relu normalized", ...unit(2), ...unit(3), "conv 3 identity normalized", "last 5"].toSorted(),
    );
  });

  it("refuses a layer that is no such model", () => {
    expect(() => inFamily(dense(3), noting().family)).toThrow(
      'noting: the model must be one that can be built from other layers (mlp, convnet, resnet), got "dense"',
    );
  });
});
