/** @file The checker alone, for `lipschitz/verify`. */

export type { Certificate } from "./certificate.ts";
export type { VerifyData } from "./samples.ts";
export { type Verdict, verify } from "./verify.ts";
