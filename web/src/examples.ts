/** @file Models to begin with: files beside the page. */
import policy from "../../examples/policy.onnx?url";
import digitsLmt from "../models/digits-lmt.onnx?url";
import digitsPlain from "../models/digits-plain.onnx?url";

export interface Example {
  readonly name: string;
  readonly words: string;
  read(): Promise<ArrayBuffer>;
}

const file = (name: string, url: string, words: string): Example => ({
  name,
  words,
  async read() {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${name}: the server answered ${response.status}`);
    return response.arrayBuffer();
  },
});

export const examples: readonly Example[] = [
  file("policy.onnx", policy, "A small controller, exported from PyTorch"),
  file("digits-plain.onnx", digitsPlain, "Digits, trained for accuracy alone"),
  file("digits-lmt.onnx", digitsLmt, "Digits, trained for margins"),
];
