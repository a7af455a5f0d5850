/** @file Write spec.schema.json from the rules in the code: `npx tsx scripts/schema.ts`. */
import { writeFileSync } from "node:fs";
import { specSchema } from "../src/experiment/schema.ts";

writeFileSync(new URL("../spec.schema.json", import.meta.url), `${JSON.stringify(specSchema(), null, 2)}\n`);
