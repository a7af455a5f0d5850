/** @file gzip through the platform's own DecompressionStream, which Node and browsers share. */
import { ReadError } from "../tensor/errors.ts";

/** Bytes that a file may become: three times the largest data set that there is a name for. A few kilobytes of gzip can hold gigabytes. */
export const largestUnpacked = 6e8;

/** Decompress; throws `ReadError` if the stream is truncated or corrupt (gzip carries a checksum), or holds more than `limit` bytes. */
export async function gunzip(
  who: string,
  bytes: Uint8Array,
  limit = largestUnpacked,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      const piece = value as Uint8Array;
      size += piece.length;
      if (size > limit) {
        await reader.cancel().catch(() => undefined);
        throw new ReadError(
          `${who}: ${bytes.length} bytes of gzip hold more than ${limit} bytes, which is the limit; unpack the file yourself if it is meant to be so large`,
        );
      }
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof ReadError) throw error;
    const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new ReadError(`${who}: gzip data must be whole and intact, got: ${why}`, { cause: error });
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Decompress what begins as gzip does; anything else comes back as it is. */
export async function maybeGunzip(who: string, bytes: Uint8Array, limit?: number): Promise<Uint8Array> {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzip(who, bytes, limit) : bytes;
}
