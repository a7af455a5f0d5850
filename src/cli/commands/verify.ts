/** @file lipschitz verify CERTIFICATE MODEL: a second opinion, by code that shares nothing with what made the certificate. */
import { renderVerdict } from "../../report/text.ts";
import type { VerifyData } from "../../verify/counts.ts";
import { verify as verifyCertificate } from "../../verify/verify.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { readBytes } from "../files.ts";
import { dataOptions, firstOf, loadData, parseWhole, seedOption } from "../options.ts";

export const verify = command({
  name: "verify",
  description:
    "Check a certificate again: the model, the constant, and with --data every margin and radius; exit 3 if it does not hold",
  example: "lipschitz verify certificate.json runs/digits/model.onnx --data digits",
  args: {
    certificate: { type: "positional", required: true, description: "The file that lipschitz certify --out wrote" },
    model: { type: "positional", required: true, description: "The .onnx file that it speaks of" },
    ...dataOptions,
    ...seedOption,
  },
  async run(args, { progress, result, signal }) {
    const text = new TextDecoder().decode(await readBytes(args.certificate));
    const bytes = await readBytes(args.model);
    const data: VerifyData | undefined =
      args.data === undefined
        ? undefined
        : firstOf((await loadData(args.data, args["data-dir"], parseWhole("--seed", args.seed))).test, samplesOf(text));
    const bar = progress.bar("verify", data ? 10 : 6);
    let done = 0;
    const verdict = await verifyCertificate(text, bytes, {
      ...(data ? { data } : {}),
      signal,
      onCheck: ({ what }) => bar.at(++done, what),
      onProgress: (what, fraction) => bar.at(done + fraction, what),
    });
    bar.done();
    result({ certificate: args.certificate, model: args.model, ...verdict }, () => renderVerdict(verdict));
    const broken = verdict.checks.find((check) => !check.holds);
    if (broken) throw new CliError(`the certificate does not hold: ${broken.what}: ${broken.detail}`, 3);
  },
});

// --- internal ---

/** The samples that a certificate says it speaks of; undefined where it says nothing, which is for the check to refuse. */
function samplesOf(certificate: string): unknown {
  try {
    return (JSON.parse(certificate) as { readonly data?: { readonly samples?: unknown } } | null)?.data?.samples;
  } catch {
    return undefined;
  }
}
