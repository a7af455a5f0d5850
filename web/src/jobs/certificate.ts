/** @file Certificates: made of what is open, and checked by the checker alone, which shares no code with what made them. */
import { makeCertificate } from "lipschitz";
import { verify } from "lipschitz/verify";
import { dataOf, modelOf } from "../desk.ts";
import type { JobOf } from "../worker.ts";

export const verifyJob: JobOf<"verify"> = (desk, { certificate, withData }, { signal, say }) => {
  const data = withData ? dataOf(desk) : null;
  return verify(certificate, modelOf(desk).bytes, {
    ...(data && { data: { x: data.x, labels: data.labels, shape: data.shape } }),
    signal,
    onCheck: ({ what }) => say(what),
  });
};

export const certificateJob: JobOf<"certificate"> = async (desk, { norm, radii }, { signal, say }) => {
  const { network, bytes, name } = modelOf(desk);
  const { certificate, notes } = await makeCertificate(network, {
    engine: desk.engine,
    data: dataOf(desk),
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
