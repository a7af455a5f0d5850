/** @file The operators that a certificate may speak of. Every attribute has to be known and have a value that is. */

import { must } from "../refusal.ts";
import { Arguments, check, type Made, naming, type Operator, type Operators, type Reading } from "./arguments.ts";
import { arithmetic } from "./arithmetic.ts";
import { learners } from "./learners.ts";
import { movements } from "./movement.ts";
import { paddings } from "./padding.ts";
import { broadcastNumbers } from "./places.ts";
import { bent, scalars } from "./pointwise.ts";
import { windowed } from "./pooling.ts";
import { products } from "./products.ts";
import { reductions } from "./reducing.ts";
import { repeatings } from "./repeating.ts";
import { resizings } from "./resizing.ts";
import { shapes } from "./shapes.ts";
import { slicings } from "./slicing.ts";
import { transposedConvolutions } from "./transposed.ts";

/** Read a node; a Refusal where it is not known in every detail. */
export function readNode(reading: Reading): Made | null {
  const { node, operands } = reading;
  const known = operators.get(node.operator);
  must(known !== undefined, () => `${naming(node)}: the operator is not known`);
  for (const key of node.attributes.keys()) {
    must(known.attributes.includes(key), () => `${naming(node)}: the attribute ${key} is not known`);
  }
  const [least, mostInputs] = known.inputs;
  must(
    operands.length >= least && operands.length <= mostInputs,
    () => `${naming(node)}: it must read ${least} to ${mostInputs} tensors, got ${operands.length}`,
  );
  const most = known.outputs ?? 1;
  must(
    node.outputs.length >= 1 && node.outputs.length <= most && node.outputs.every((name) => name !== "" || most > 1),
    () => `${naming(node)}: it must have ${most === 1 ? "one output" : `1 to ${most} outputs`}`,
  );
  must(
    operands.slice(0, least).every((o) => o !== undefined),
    () => `${naming(node)}: an input is left out`,
  );
  return known.read(new Arguments(reading));
}

// --- internal ---

const activations: Operators = Object.fromEntries(
  Object.entries(scalars).map(([name, { attributes, most, make }]): [string, Operator] => [
    name,
    {
      attributes,
      inputs: [1, most],
      read(a) {
        const x = a.varying(0);
        const rest = a.operands.slice(1).map((operand, i) => {
          if (operand === undefined) return undefined;
          const { data } = a.constant(i + 1);
          check(a, data.length === 1, `input ${i + 1} must be one number`);
          return data[0];
        });
        const scalar = make((key, otherwise) => a.number(key, otherwise), rest);
        check(a, scalar !== null, "its settings are not known");
        return { kind: "pointwise", tensor: a.out, shape: x.shape, from: x.tensor, scalar };
      },
    },
  ]),
);

/** A slope for every number, or fewer that are repeated. */
const prelu: Operator = {
  attributes: [],
  inputs: [2, 2],
  read(a) {
    const x = a.varying(0);
    const { shape, data } = a.constant(1);
    const scalar = bent(Float64Array.from(broadcastNumbers(a, shape, x.shape), (k) => data[k]));
    check(a, scalar !== null, "its slopes must not be steeper than 8");
    return { kind: "pointwise", tensor: a.out, shape: x.shape, from: x.tensor, scalar };
  },
};

const operators = new Map(
  Object.entries({
    ...movements,
    ...shapes,
    ...slicings,
    ...paddings,
    ...repeatings,
    ...reductions,
    ...resizings,
    ...arithmetic,
    ...products,
    ...windowed,
    ...transposedConvolutions,
    ...learners,
    ...activations,
    PRelu: prelu,
  }),
);
