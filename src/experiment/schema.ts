/** @file The JSON Schema of what `lipschitz run` reads, made of the same lists and rules that check it. It is published as spec.schema.json. */
import { readingSchema } from "../data/reading.ts";
import { activationNames } from "../layers/activation.ts";
import { modelKinds } from "../models/spec.ts";
import { methodNames, settingsOf } from "../train/methods.ts";
import { measures, radiusMeasure } from "./comparison.ts";
import { gaussNewtonSettings, lossNames, optimizerNames, scheduleNames } from "./spec.ts";

type Json = Readonly<Record<string, unknown>>;

/** The schema, draft 2020-12. */
export function specSchema(): Json {
  const run = { type: "object", properties: runProperties, additionalProperties: false };
  const head = { $schema: { type: "string" }, name: { type: "string", pattern: "^\\w[\\w ,.()=-]*$" } };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "What lipschitz run carries out: one run, or several that are compared",
    if: { type: "object", required: ["runs"] },
    // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema
    then: {
      ...run,
      properties: {
        ...head,
        seeds: { type: "array", items: runProperties.seed, minItems: 1, uniqueItems: true },
        common: run,
        runs: {
          type: "array",
          minItems: 1,
          items: { ...run, properties: { label: head.name, ...runProperties } },
        },
        paper: paperSchema,
      },
    },
    else: { ...run, required: ["method"], properties: { ...head, ...runProperties } },
  };
}

// --- internal ---

/** A method is its name and its own settings. */
const methodSchema: Json = {
  oneOf: methodNames.map((name) => ({
    type: "object",
    required: ["name"],
    properties: {
      name: { const: name },
      ...Object.fromEntries(Object.entries(settingsOf(name)).map(([key, setting]) => [key, setting.schema])),
    },
    additionalProperties: false,
  })),
};

const numbers = { type: "array", items: { type: "number" }, minItems: 1 } as const;

const runProperties = {
  data: { type: "string", description: "As --data" },
  reading: readingSchema,
  preprocessing: {
    description: "(x * scale - mean) / std in front of the model; normalize: of the training part",
    anyOf: [
      { const: "normalize" },
      {
        type: "object",
        properties: {
          scale: { anyOf: [{ type: "number" }, numbers] },
          mean: numbers,
          std: { type: "array", items: { type: "number", exclusiveMinimum: 0 }, minItems: 1 },
        },
        additionalProperties: false,
      },
    ],
  },
  samples: {
    type: "object",
    description: "The first samples of each part, where not all shall be used",
    properties: { train: { type: "integer", minimum: 1 }, test: { type: "integer", minimum: 1 } },
    additionalProperties: false,
  },
  model: {
    type: "object",
    required: ["kind"],
    properties: {
      kind: { enum: modelKinds },
      widths: { type: "array", items: { type: "integer", minimum: 1 } },
      activation: { enum: activationNames },
    },
    additionalProperties: false,
  },
  method: methodSchema,
  epochs: { type: "integer", minimum: 1 },
  batch: { type: "integer", minimum: 1 },
  seed: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  optimizer: { enum: optimizerNames },
  rate: { type: "number", exclusiveMinimum: 0, description: "Learning rate, the largest of the schedule" },
  schedule: { enum: scheduleNames },
  loss: { enum: lossNames },
  offset: {
    type: "number",
    description: "With the loss offset-cross-entropy: the margin between logits that it asks for",
  },
  temperature: { type: "number", exclusiveMinimum: 0, description: "With the loss offset-cross-entropy" },
  ...Object.fromEntries(Object.entries(gaussNewtonSettings).map(([key, { schema }]) => [key, schema])),
  norm: { enum: [1, 2, "inf"] },
  radii: { type: "array", items: { type: "number", minimum: 0 } },
  seconds: { type: "number", exclusiveMinimum: 0, description: "Time for each bound. Default: until it is done" },
} as const;

const paperSchema: Json = {
  type: "object",
  required: ["source", "values"],
  properties: {
    source: { type: "string" },
    values: {
      type: "object",
      additionalProperties: {
        type: "object",
        properties: Object.fromEntries(Object.keys(measures).map((name) => [name, { type: "number" }])),
        patternProperties: { [radiusMeasure.source]: { type: "number" } },
        additionalProperties: false,
      },
    },
  },
  additionalProperties: false,
};
