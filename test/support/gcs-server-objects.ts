import { createHash } from 'node:crypto'

/* The objects of the strict server, and how it speaks of them. */

/** An object as it stands. */
export interface GcsObjectAt {
  readonly bytes: Buffer
  readonly generation: number
  readonly contentType?: string | undefined
  readonly cacheControl?: string | undefined
}

/** An upload that was begun. */
export interface GcsUpload {
  readonly metadata: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly size: number
  bytes: Buffer
  /** What it came to. */
  answer?: GcsAnswer
}

export interface GcsBucket {
  readonly objects: Map<string, GcsObjectAt>
  readonly uploads: Map<string, GcsUpload>
  readonly rewrites: Map<string, number>
  readonly noMd5?: boolean
  generation: number
}

export interface GcsAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly bytes?: Buffer
}

/** A refusal (https://cloud.google.com/storage/docs/json_api/v1/status-codes). */
export function apiError(code: number, message: string, reason = 'invalid'): GcsAnswer {
  return { status: code, json: { error: { code, message, errors: [{ message, domain: 'global', reason }] } } }
}

/** The MD5 of bytes as the API writes it. */
export function hashesOf(bytes: Uint8Array): { readonly md5Hash: string } {
  return { md5Hash: createHash('md5').update(bytes).digest('base64') }
}

/** An object's resource. */
export function resourceOf(bucket: GcsBucket, name: string, object: GcsObjectAt): Readonly<Record<string, unknown>> {
  const { bytes, generation, contentType, cacheControl } = object
  return {
    kind: 'storage#object',
    name,
    size: String(bytes.length),
    generation: String(generation),
    contentType,
    cacheControl,
    ...(bucket.noMd5 === true ? {} : hashesOf(bytes)),
  }
}

/** Puts an object there, of a new generation. */
export function addObject(bucket: GcsBucket, name: string, object: Omit<GcsObjectAt, 'generation'>): GcsObjectAt {
  bucket.generation += 1
  const made = { ...object, generation: bucket.generation }
  bucket.objects.set(name, made)
  return made
}

/** Refuses a write whose condition does not hold. */
export function checkGeneration(bucket: GcsBucket, name: string, query: URLSearchParams): GcsAnswer | undefined {
  const wanted = query.get('ifGenerationMatch')
  const there = bucket.objects.get(name)?.generation ?? 0
  if (wanted === null || wanted === String(there)) return undefined
  return apiError(412, 'At least one of the pre-conditions you specified did not hold.', 'conditionNotMet')
}
