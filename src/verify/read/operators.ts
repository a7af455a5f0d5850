/** @file The operators that a certificate may speak of. Every attribute has to be known and have a value that is. */

import { must } from "../refusal.ts";
import { Arguments, check, type Made, naming, type Operator, type Operators, type Reading } from "./arguments.ts";
import { arithmetic } from "./arithmetic.ts";
import { movements } from "./movement.ts";
import { scalars } from "./pointwise.ts";
import { windowed } from "./pooling.ts";
import { resizings } from "./resizing.ts";
import { shapes } from "./shapes.ts";
import { slicings } from "./slicing.ts";

/** Read a node; a Refusal where it is not known in every detail. */
export function readNode(reading: Reading): Made {
  const { node, operands } = reading;
  const known = operators.get(node.operator);
  must(known !== undefined, () => `${naming(node)}: the operator is not known`);
  for (const key of node.attributes.keys()) {
    must(known.attributes.includes(key), () => `${naming(node)}: the attribute ${key} is not known`);
  }
  const [least, most] = known.inputs;
  must(
    operands.length >= least && operands.length <= most,
    () => `${naming(node)}: it must read ${least} to ${most} tensors, got ${operands.length}`,
  );
  must(node.outputs.length === 1 && node.outputs[0] !== "", () => `${naming(node)}: it must have one output`);
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

const operators = new Map(
  Object.entries({ ...movements, ...shapes, ...slicings, ...resizings, ...arithmetic, ...windowed, ...activations }),
);
