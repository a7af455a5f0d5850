/** @file What can go wrong, by who has to act. A message says who, the rule, what was got and, where there is one, the remedy. */

/** Shapes or types of tensors do not fit an operation. */
export class ShapeError extends Error {
  override name = "ShapeError";
}

/** An argument breaks a rule of the function it was given to. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** A file or a byte string is not what it should be: truncated, corrupt, out of range. */
export class ReadError extends Error {
  override name = "ReadError";
}

/** The engine cannot compile or run a program. */
export class EngineError extends Error {
  override name = "EngineError";
}

/** One node of a model that this library cannot represent. */
export interface UnsupportedNode {
  readonly node: string;
  readonly operator: string;
  readonly opset: number;
  readonly why: string;
}

/** A model uses operators that are not ours; lists every such node, so that one look suffices. */
export class UnsupportedOperatorError extends Error {
  override name = "UnsupportedOperatorError";
  readonly nodes: readonly UnsupportedNode[];
  /** The message without its first line, a line for each node. */
  readonly lines: readonly string[];
  constructor(nodes: readonly UnsupportedNode[]) {
    const lines = nodes.map((n) => `  node "${n.node}": ${n.operator} (opset ${n.opset}): ${n.why}`);
    super(
      `unsupported model: ${nodes.length} node${nodes.length === 1 ? "" : "s"} cannot be read\n${lines.join("\n")}`,
    );
    this.nodes = nodes;
    this.lines = lines;
  }
}

/** The runtime makes something else of a model than what this library reads in it, or nothing at all. */
export class DisagreementError extends Error {
  override name = "DisagreementError";
  /** The first node whose result differs, in the order in which they are computed; null where none alone does. */
  readonly node: string | null;
  constructor(message: string, node: string | null, options?: ErrorOptions) {
    super(message, options);
    this.node = node;
  }
}

/** Samples of a batch act on each other in a model, or the number of samples does. */
export class BatchError extends Error {
  override name = "BatchError";
}

/** A description of an experiment, a checkpoint or a certificate breaks its schema; the message starts with the JSON path. */
export class SpecError extends Error {
  override name = "SpecError";
}

/** Two results that cannot both be right: a fault of this library, never of its user. */
export class InternalError extends Error {
  override name = "InternalError";
}
