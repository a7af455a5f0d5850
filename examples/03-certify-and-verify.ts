// A certificate for every sample, checked again by code that shares nothing with what made it, and refused once altered.
// Run: npx tsx examples/03-certify-and-verify.ts
import { digits, makeCertificate, mlp, modelHash, take, train, verify, writeOnnx } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const data = await digits();
const test = take(data.test, 200);
for await (const event of train({ engine, data, model: mlp([784, 32, 10]), epochs: 3, seed: 1 })) {
  if (event.kind !== "end") continue;
  const bytes = await writeOnnx(event.network);
  const about = { model: "digits.onnx", sha256: await modelHash(bytes), tool: { name: "example", version: "1" } };
  const options = { engine, data: test, bytes, radii: [0.1, 0.3], seconds: 1, ...about };
  const { certificate } = await makeCertificate(event.network, options);
  for (const { radius, accuracy } of certificate.certified) console.log(`certified at ${radius}: ${accuracy}`);
  const text = JSON.stringify(certificate);
  const verdict = await verify(text, bytes, { data: test });
  for (const { what, holds, detail } of verdict.checks) console.log(`${holds ? "holds" : "fails"}: ${what}: ${detail}`);
  const altered = await verify(text.replace('"label":', '"label":1'), bytes, { data: test });
  console.log(`altered: ${altered.holds ? "accepted" : "refused"}`);
}
