import type { HttpResponse } from '../../http/client.ts'

/** Reads a small body whole; undefined where it has more bytes than `limit`. */
export async function readBody(response: HttpResponse, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.length
    if (size > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}
