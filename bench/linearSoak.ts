/**
 * @file Lower bounds of the linear walk on many random networks, held against points that a search finds: `npx tsx bench/linearSoak.ts [NETWORKS] [FIRST]`.
 * Prints counts; exits with 3 where a bound was above a value.
 */
import { kinds, look } from "../test/lowerBounds.ts";

const [count = 3000, first = 1000] = process.argv.slice(2).map(Number);
const types = ["dense", "chain", "steep", "dense", "chain", "image"] as const;
const found = new Map<string, { networks: number; breaches: number; bounds: number; finite: number }>();
for (let seed = first; seed < first + count; seed++) {
  const type = types[seed % types.length];
  const kind = kinds[Math.floor(seed / types.length) % kinds.length];
  const name = `${type}, ${kind === "box" ? "boxes" : `l${kind}`}`;
  const seen = await look(seed, type, kind);
  const own = found.get(name) ?? { networks: 0, breaches: 0, bounds: 0, finite: 0 };
  own.networks++;
  own.breaches += seen.breaches;
  own.bounds += 4 * seen.gaps.length;
  own.finite += seen.finite;
  found.set(name, own);
  if (seen.breaches > 0) console.log(`breach: seed ${seed}, ${name}`);
}
console.log("| networks, sets | networks | bounds | breaches | finite |\n|---|---:|---:|---:|---:|");
for (const [name, f] of [...found].sort()) {
  console.log(
    `| ${name} | ${f.networks} | ${f.bounds} | ${f.breaches} | ${((400 * f.finite) / f.bounds).toFixed(1)} % |`,
  );
}
if ([...found.values()].some((f) => f.breaches > 0)) process.exitCode = 3;
