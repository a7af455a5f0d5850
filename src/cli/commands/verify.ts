/** @file lipschitz verify CERTIFICATE MODEL: a second opinion, by code that shares nothing with what made the certificate. */
import type { Dataset, Unlabelled } from "../../data/dataset.ts";
import { renderVerdict } from "../../report/text.ts";
import type { VerifyData } from "../../verify/samples.ts";
import { verify as verifyCertificate } from "../../verify/verify.ts";
import { command } from "../command.ts";
import { dataOptions, firstOf, testsOf } from "../data.ts";
import { CliError } from "../errors.ts";
import { readBytes } from "../files.ts";
import { parseWhole, seedOption } from "../options.ts";

export const verify = command({
  name: "verify",
  description:
    "Check a certificate again: the model, the constant, and with --data every margin and radius; exit 3 if it does not hold, 2 if it has no witness",
  example: "lipschitz verify certificate.json runs/digits/model.onnx --data digits",
  args: {
    certificate: { type: "positional", required: true, description: "The file that lipschitz certify --out wrote" },
    model: { type: "positional", required: true, description: "The .onnx file that it speaks of" },
    ...dataOptions,
    "no-data": { type: "boolean", description: "Leave the samples unchecked, and exit with code 0 if the rest holds" },
    ...seedOption,
  },
  async run(args, { progress, result, signal }) {
    // The parser takes --no-data for what negates --data, whatever that is.
    const name = args.data as string | false | undefined;
    const without = name === false;
    const text = new TextDecoder().decode(await readBytes(args.certificate));
    const bytes = await readBytes(args.model);
    const claimed = claimedIn(text);
    const tests =
      name === undefined || name === false
        ? undefined
        : firstOf(await testsOf({ ...args, data: name }, parseWhole("--seed", args.seed)), claimed?.data?.samples);
    const data = tests && labelled(tests, claimed);
    const bar = progress.bar("verify", data ? 10 : 6);
    let done = 0;
    const verdict = await verifyCertificate(text, bytes, {
      data,
      signal,
      onCheck: ({ what }) => bar.at(++done, what),
      onProgress: (what, fraction) => bar.at(done + fraction, what),
    });
    bar.done();
    result({ certificate: args.certificate, model: args.model, ...verdict }, () => renderVerdict(verdict));
    const broken = verdict.checks.find((check) => !check.holds);
    if (broken && verdict.outcome === "cannot be checked") {
      throw new CliError(`the certificate cannot be checked: ${broken.detail}`, 2);
    }
    if (broken) throw new CliError(`the certificate does not hold: ${broken.what}: ${broken.detail}`, 3);
    if (!data && !without) {
      throw new CliError(
        "the samples were not checked: missing --data D; --no-data leaves them out, and what holds then is said in the first line",
      );
    }
  },
});

// --- internal ---

/** What a certificate says of its data, unchecked. */
interface Claimed {
  readonly data?: { readonly samples?: unknown; readonly labels?: unknown };
  readonly samples?: unknown;
}

/** Undefined where it says nothing, which is for the check to refuse. */
function claimedIn(certificate: string): Claimed | null | undefined {
  try {
    return JSON.parse(certificate) as Claimed | null;
  } catch {
    return undefined;
  }
}

/** Data without labels go with the decisions that the certificate names as labels: the check holds every decision to the model itself. */
function labelled(tests: Dataset | Unlabelled, claimed: Claimed | null | undefined): VerifyData {
  if (tests.task !== "none") return tests;
  if (claimed?.data?.labels !== "predictions" || !Array.isArray(claimed.samples)) {
    throw new CliError(`--data: the certificate speaks of labels, and ${tests.name} has none`);
  }
  const labels = claimed.samples.map((s: { readonly label?: unknown } | null) => Number(s?.label));
  return { x: tests.x, shape: tests.shape, labels: Int32Array.from(labels) };
}
