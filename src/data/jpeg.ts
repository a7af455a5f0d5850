/** @file A decoder of JPEG files: libjpeg's, as WebAssembly, so that pixels are those that Pillow and torchvision see. */
import type { JpegDecoder } from "./image.ts";

/** The decoder, of the bytes of `@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm`. */
export async function jpegDecoder(wasm: Uint8Array): Promise<JpegDecoder> {
  const { default: decode, init } = await import("@jsquash/jpeg/decode.js");
  const module = await WebAssembly.compile(new Uint8Array(wasm));
  let complaint = "";
  const overrides = {
    printErr: (line: string) => {
      complaint ||= line;
    },
    instantiateWasm(imports: WebAssembly.Imports, done: (instance: never) => void) {
      const instance = new WebAssembly.Instance(module, imports);
      done(instance as never);
      return instance.exports;
    },
  };
  await init(overrides);
  return async (bytes) => {
    complaint = "";
    try {
      const image = await decode(new Uint8Array(bytes).buffer);
      // libjpeg fills what is missing of a truncated file with grey, and says so.
      if (complaint !== "") throw new Error(complaint);
      return image;
    } catch (error) {
      // After a failure the program inside has ended.
      await init(overrides);
      throw complaint === "" ? error : new Error(complaint);
    }
  };
}
