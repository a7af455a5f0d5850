/** @file lipschitz certify MODEL: how far each sample can move before the decision can change. */
import { makeCertificate } from "../../certify/certificate.ts";
import { certify as certifyNetwork } from "../../certify/evaluate.ts";
import { hashDataset } from "../../data/dataset.ts";
import { parsePreprocessing } from "../../data/preprocess.ts";
import { nodeEngine } from "../../engine/node.ts";
import { defaultSpec } from "../../experiment/spec.ts";
import { tool } from "../../experiment/tool.ts";
import { renderCertification, renderCertified } from "../../report/text.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { readBytes } from "../files.ts";
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
import { openFile, writeJson } from "../output.ts";

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
    if (args.out !== undefined) await openFile(args.out);
    const data = (await loadData(args.data, args["data-dir"], parseWhole("--seed", args.seed))).test;
    const { network, sha256 } = await openModel(args.model, args, data.shape);
    const bar = progress.bar("certify", 1);
    const onProgress = (fraction: number) => bar.at(fraction);
    const preprocessing = parsePreprocessing(args);
    const question = { engine: nodeEngine(), data, norm, radii, signal, seconds: 3 };
    const about = { model: args.model, sha256, tool: { name: tool.name, version: tool.version } };
    const out = args.out;
    if (out === undefined) {
      const certification = await certifyNetwork(network, { ...question, onProgress });
      bar.done();
      const samples = { name: data.name, sha256: await hashDataset(data), samples: data.count, shape: data.shape };
      const { model, sha256: hash, tool: maker } = about;
      result({ model, sha256: hash, preprocessing, data: samples, ...certification, tool: maker }, () =>
        renderCertification(certification),
      );
      return;
    }
    const { certification, certificate, notes } = await makeCertificate(network, {
      ...question,
      ...about,
      bytes: await readBytes(args.model),
      preprocessing,
      onProgress,
    });
    bar.done();
    await writeJson(out, certificate);
    result(certificate, () => renderCertified(certification, certificate, out, notes));
  },
});
