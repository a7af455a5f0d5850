/** @file gzip through the platform's own DecompressionStream, which Node and browsers share. */
import { ReadError } from "../tensor/errors.ts";

/** Decompress; throws `ReadError` if the stream is truncated or corrupt (gzip carries a checksum). */
export async function gunzip(who: string, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new DecompressionStream("gzip"));
  try {
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new ReadError(`${who}: gzip data must be whole and intact, got: ${why}`, { cause: error });
  }
}

/** Decompress what begins as gzip does; anything else comes back as it is. */
export async function maybeGunzip(who: string, bytes: Uint8Array): Promise<Uint8Array> {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzip(who, bytes) : bytes;
}
