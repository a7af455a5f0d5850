/** @file lipschitz certify MODEL: how far each sample can move before the decision can change. */
import type { Norm } from "../../bounds/bound.ts";
import { makeCertificate, whyUnverifiable } from "../../certify/certificate.ts";
import { type CertifyOptions, certify as certifyNetwork } from "../../certify/evaluate.ts";
import { hashDataset } from "../../data/dataset.ts";
import { parsePreprocessing } from "../../data/preprocess.ts";
import { nodeEngine } from "../../engine/node.ts";
import { defaultSpec } from "../../experiment/spec.ts";
import { tool } from "../../experiment/tool.ts";
import type { Network } from "../../graph/network.ts";
import { renderCertification } from "../../report/text.ts";
import type { Certificate } from "../../verify/certificate.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { readBytes, writeJson } from "../files.ts";
import { openModel } from "../network.ts";
import {
  dataOptions,
  loadData,
  normOf,
  normOption,
  parseRadii,
  parseWhole,
  preprocessingOptions,
  seedOption,
} from "../options.ts";

export const certify = command({
  name: "certify",
  description:
    "Certify a network on the test part of a data set: a proved radius per sample, certified accuracy per radius",
  example: "lipschitz certify runs/digits/model.onnx --data digits --radii 0.1,0.3,0.5 --out certificate.json",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    ...dataOptions,
    ...preprocessingOptions,
    ...normOption,
    radii: {
      type: "string",
      default: defaultSpec.radii.join(","),
      description: "Radii in the units of the data, by commas",
      valueHint: "R",
    },
    ...seedOption,
    out: { type: "string", description: "Write the certificate to this file", valueHint: "FILE" },
  },
  async run(args, { progress, signal, result }) {
    if (args.data === undefined) throw new CliError("certify: missing --data D, the samples to certify");
    const norm = normOf(args.norm);
    const radii = parseRadii(args.radii);
    const data = (await loadData(args.data, args["data-dir"], parseWhole("--seed", args.seed))).test;
    const { network, sha256 } = await openModel(args.model, args, data.shape);
    const bar = progress.bar("certify", 1);
    const question = { engine: nodeEngine(), data, norm, radii, signal };
    const about = { model: args.model, sha256, tool: { name: tool.name, version: tool.version } };
    const onProgress = (fraction: number) => bar.at(fraction);
    const { certification, certificate } = await makeCertificate(network, {
      ...question,
      ...about,
      bytes: await readBytes(args.model),
      preprocessing: parsePreprocessing(args),
      onProgress,
    }).catch(async (error: unknown) => {
      const unverifiable = whyUnverifiable(error);
      if (unverifiable === undefined) throw error;
      return withoutWitness(network, { ...question, about, unverifiable, onProgress });
    });
    bar.done();
    if (args.out !== undefined) await writeJson(args.out, certificate);
    result(certificate, () => renderCertification(certification));
  },
});

// --- internal ---

interface WithoutWitness extends Required<Pick<CertifyOptions, "engine" | "data" | "radii">> {
  readonly norm: Norm;
  readonly signal: AbortSignal;
  readonly about: Pick<Certificate, "model" | "sha256" | "tool">;
  readonly unverifiable: string;
  onProgress(fraction: number): void;
}

/** What is certified of a model that the checker cannot read: proved here, but by nobody else, and the certificate says so. */
async function withoutWitness(
  network: Network,
  { about: { tool: maker, ...model }, unverifiable, norm, onProgress, ...rest }: WithoutWitness,
) {
  const { data } = rest;
  const certification = await certifyNetwork(network, { ...rest, norm, seconds: 3, onProgress });
  const certificate = {
    ...model,
    data: { name: data.name, sha256: await hashDataset(data), samples: data.count, shape: data.shape },
    ...certification,
    witness: null,
    unverifiable,
    tool: maker,
  };
  return { certification, certificate };
}
