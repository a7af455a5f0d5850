/** @file Certificates: made of what is open, and checked by the checker alone, which shares no code with what made them. */
import { type Dataset, makeCertificate, take } from "lipschitz";
import { verify } from "lipschitz/verify";
import { dataOf, modelOf } from "../desk.ts";
import type { JobOf } from "../worker.ts";

export const verifyJob: JobOf<"verify"> = (desk, { certificate, withData }, { signal, say }) => {
  const data = withData ? firstOf(dataOf(desk), certificate) : null;
  return verify(certificate, modelOf(desk).bytes, {
    ...(data && { data: { x: data.x, labels: data.labels, shape: data.shape } }),
    signal,
    onCheck: ({ what }) => say(what),
  });
};

export const certificateJob: JobOf<"certificate"> = async (desk, { norm, radii, samples }, { signal, say }) => {
  const { network, bytes, name } = modelOf(desk);
  const { certificate, notes } = await makeCertificate(network, {
    engine: desk.engine,
    data: atMost(dataOf(desk), samples),
    norm,
    radii,
    bytes,
    model: name,
    tool: { name: "lipschitz", version: "web" },
    signal,
    onProgress: say,
  });
  return { json: `${JSON.stringify(certificate, null, 2)}\n`, notes };
};

// --- internal ---

const atMost = (data: Dataset, samples: number): Dataset => take(data, Math.min(samples, data.count));

/** As many samples as a certificate speaks of; that they are the same is checked by their hash. */
function firstOf(data: Dataset, certificate: string): Dataset {
  const { samples } = (parsed(certificate) as { readonly data?: { readonly samples?: unknown } } | null)?.data ?? {};
  return Number.isInteger(samples) && (samples as number) >= 1 ? atMost(data, samples as number) : data;
}

/** What is no JSON is refused by the checker. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
