/** @file lipschitz certify MODEL: how far each sample can move before the decision can change. */
import { certify as certifyNetwork } from "../../certify/evaluate.ts";
import { hashDataset } from "../../data/dataset.ts";
import { nodeEngine } from "../../engine/node.ts";
import { defaultSpec } from "../../experiment/spec.ts";
import { tool } from "../../experiment/tool.ts";
import { renderCertification } from "../../report/text.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { writeJson } from "../files.ts";
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
    const engine = nodeEngine();
    const certification = await certifyNetwork(network, {
      engine,
      data,
      norm,
      radii,
      seconds: 3,
      signal,
      onProgress: (fraction: number) => bar.at(fraction),
    });
    bar.done();
    const certificate = {
      model: args.model,
      sha256,
      data: { name: data.name, sha256: await hashDataset(data), samples: data.count },
      ...certification,
      tool: { name: tool.name, version: tool.version },
    };
    if (args.out !== undefined) await writeJson(args.out, certificate);
    result(certificate, () => renderCertification(certification));
  },
});
