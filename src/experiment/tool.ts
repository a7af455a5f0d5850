/** @file Who made a record. A test holds the version to package.json's. */

export const tool = {
  name: "lipschitz",
  version: "0.2.0",
  description: "Know, prove and limit how much a neural network's output can change when its input changes",
} as const;
