import { RegistrishError } from '../errors.ts'
import { asDigest, type Digest, quote } from './digest.ts'
import type { Platform } from './platform.ts'

/** An OCI content descriptor (image spec, descriptor.md), fields spelled as OCI spells them; `size` in bytes. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly platform?: Platform
  readonly annotations?: Readonly<Record<string, string>>
  readonly artifactType?: string
  readonly urls?: readonly string[]
}

/**
 * Parses one descriptor out of a manifest's JSON; `where` names it for the message ("layers[2]").
 * @throws RegistrishError `manifest-invalid`.
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  if (!isRecord(value)) throw invalid(`${where} is not an object`)
  const digest = asDigest(value['digest'])
  if (digest === undefined) {
    const named = value['digest'] // anything at all: an object may even refuse to become text
    throw invalid(`${where}.digest is not a digest${typeof named === 'string' ? `: ${quote(named)}` : ''}`)
  }
  const { size, mediaType } = { size: value['size'], mediaType: value['mediaType'] }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`${where}.size is not a number of bytes`)
  if (typeof mediaType !== 'string') throw invalid(`${where}.mediaType is missing`)
  const platform = parsePlatformObject(value['platform'])
  const annotations = parseAnnotations(value['annotations'], where)
  const urls = value['urls']
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(typeof value['artifactType'] === 'string' && value['artifactType'] !== ''
      ? { artifactType: value['artifactType'] }
      : {}),
    ...(Array.isArray(urls) && urls.length > 0 ? { urls: urls.filter(url => typeof url === 'string') } : {}),
  }
}

/** Parses an `annotations` member; absent or null gives undefined. @throws RegistrishError `manifest-invalid`. */
export function parseAnnotations(value: unknown, where: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  if (!isRecord(value)) throw invalid(`${where}.annotations is not an object`)
  for (const text of Object.values(value)) {
    if (typeof text !== 'string') throw invalid(`${where}.annotations holds something that is not text`)
  }
  return value as Readonly<Record<string, string>>
}

/** Whether `value` is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parsePlatformObject(value: unknown): Platform | undefined {
  if (!isRecord(value)) return undefined
  const { os, architecture, variant } = value as Record<'os' | 'architecture' | 'variant', unknown>
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined
  const version = value['os.version']
  return {
    os,
    architecture,
    ...(typeof variant === 'string' && variant !== '' ? { variant } : {}),
    ...(typeof version === 'string' && version !== '' ? { 'os.version': version } : {}),
  }
}

function invalid(reason: string): RegistrishError {
  return new RegistrishError('manifest-invalid', `the manifest is invalid: ${reason}`)
}
