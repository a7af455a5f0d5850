// Certifies a radius for every test sample, and checks the certificate with the second program. An altered one is refused.
// Run: npx tsx examples/03-certify-and-verify.ts
import { digits, makeCertificate, mlp, take, trainNetwork, verify, writeOnnx } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const split = await digits();
const { network } = await trainNetwork({ engine, data: split, model: mlp([784, 32, 10]), epochs: 3, seed: 1 });

const data = take(split.test, 200);
const bytes = await writeOnnx(network);
const question = { engine, data, bytes, radii: [0.1, 0.3], seconds: 1 };
const { certificate } = await makeCertificate(network, { ...question, tool: { name: "example", version: "1" } });
for (const { radius, accuracy } of certificate.certified) console.log(`certified at ${radius}: ${accuracy}`);

const text = JSON.stringify(certificate);
const { checks } = await verify(text, bytes, { data });
for (const { what, holds, detail } of checks) console.log(`${holds ? "holds" : "fails"}: ${what}: ${detail}`);
const altered = await verify(text.replace('"label":', '"label":1'), bytes, { data });
console.log(`altered: ${altered.holds ? "accepted" : "refused"}`);
