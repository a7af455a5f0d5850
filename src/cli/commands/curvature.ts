/** @file lipschitz curvature MODEL: the curvature of a network at samples, and a proved bound of its Hessian. */
import { curvatureBound } from "../../curvature/bound.ts";
import { curvature as measure } from "../../curvature/measure.ts";
import { decisive } from "../../curvature/points.ts";
import { gradientStability } from "../../curvature/stability.ts";
import { nodeEngine } from "../../engine/node.ts";
import { renderCurvature } from "../../report/curvature.ts";
import { command } from "../command.ts";
import { aboutData, answered, dataOptions, testsOf } from "../data.ts";
import { CliError } from "../errors.ts";
import { aboutInputs, checkOpened, checkOption, inputOptions, openModel } from "../network.ts";
import { parseList, parseNumber, parseWhole, parseWord, preprocessingOptions, seedOption } from "../options.ts";

export const curvature = command({
  name: "curvature",
  description: "Measure the curvature of a network at samples, and prove a bound of its Hessian, in l2",
  example: "lipschitz curvature runs/digits/model.onnx --data digits --samples 200",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    ...dataOptions,
    ...inputOptions,
    ...preprocessingOptions,
    samples: {
      type: "string",
      default: "100",
      description: "The first N test samples; without --data, N normal points with their predicted classes",
      valueHint: "N",
    },
    of: {
      type: "enum",
      options: ["loss", "logit", "margin"],
      default: "loss",
      description: "What is differentiated: the loss of the label, its output, or that less the largest other one",
    },
    method: {
      type: "enum",
      options: ["lanczos", "power"],
      default: "lanczos",
      description: "lanczos, with both ends of the spectrum, or the power method as published",
    },
    steps: {
      type: "string",
      description: "Hessian-vector products: at most 30 for lanczos, 10 for power",
      valueHint: "T",
    },
    radii: {
      type: "string",
      description: "Also the relative change of the gradient under perturbations of these l2 lengths, by commas",
      valueHint: "R",
    },
    ...checkOption,
    ...seedOption,
  },
  async run(args, { progress, signal, result }) {
    const seed = parseWhole("--seed", args.seed);
    const samples = parseWhole("--samples", args.samples, 1);
    const steps = args.steps === undefined ? undefined : parseWhole("--steps", args.steps, 1);
    const of = parseWord("--of", args.of, ["loss", "logit", "margin"]);
    const method = parseWord("--method", args.method, ["lanczos", "power"]);
    const radii =
      args.radii === undefined ? [] : parseList("--radii", args.radii, (o, word) => parseNumber(o, word, { above: 0 }));
    const tests = args.data === undefined ? undefined : await testsOf({ ...args, data: args.data }, seed);
    if (tests?.task === "regression" && of === "margin") {
      throw new CliError(`--of margin: needs classes, and ${tests.name} is a regression`);
    }
    const opened = await openModel(args.model, args, tests?.shape);
    const { network, sha256 } = opened;
    const inputs = aboutInputs(opened);
    const engine = nodeEngine();
    const { checked, lines } = await checkOpened(opened, args.check, { engine, data: tests, seed, signal });
    const data = tests && (await answered(network, engine, tests));
    const bar = progress.bar("curvature", 1);
    const common = { engine, samples, of, seed, signal, data };
    const part = radii.length > 0 ? 0.5 : 0.9;
    const measured = await measure(network, {
      ...common,
      method,
      steps,
      onProgress: (fraction: number) => bar.at(part * fraction),
    });
    const stability =
      radii.length > 0
        ? await gradientStability(network, { ...common, radii, onProgress: (f: number) => bar.at(0.5 + 0.4 * f) })
        : [];
    // Of what is measured: of classes the logits, and of one output its sign.
    const bound = await curvatureBound(decisive(network, { data }), { signal });
    bar.done();
    const found = { ...measured, ...(stability.length > 0 ? { stability } : {}), bound };
    result({ model: args.model, sha256, ...inputs, checked, data: data ? aboutData(data) : null, ...found }, () =>
      [renderCurvature(found, data), ...lines].join("\n"),
    );
  },
});
