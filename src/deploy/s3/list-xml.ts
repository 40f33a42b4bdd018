import type { StoredObject, StoredPage } from '../store.ts'

/** One answer of ListObjectsV2. */
export interface ListAnswer extends StoredPage {
  /** Where the next one begins. */
  readonly next?: string
}

/**
 * Reads the answer of ListObjectsV2 (AWS S3 API); undefined for whatever is not exactly as expected, which the SDK may then make out. Keys of 10,000
 * objects are read in a few hundredths of a second; the SDK, whose parser knows all of XML, takes ten times as long.
 */
export function parseListing(xml: string): ListAnswer | undefined {
  const root = ROOT.exec(xml)
  if (root === null || /<!|\]\]>/.test(xml)) return undefined
  const objects: StoredObject[] = []
  const prefixes: string[] = []
  CHILD.lastIndex = root[0].length
  const rest: Record<string, string> = {}
  let end = CHILD.lastIndex
  for (let child = CHILD.exec(xml); child !== null; child = CHILD.exec(xml)) {
    end = CHILD.lastIndex
    const [, name = '', inner = ''] = child
    if (name === 'Contents') {
      const object = parseObject(inner)
      if (object === undefined) return undefined
      objects.push(object)
    } else if (name === 'CommonPrefixes') {
      const prefix = fieldOf(inner, 'Prefix')
      if (prefix === undefined) return undefined
      prefixes.push(prefix)
    } else if (name !== '') rest[name] = inner
  }
  if (xml.slice(end).trim() !== '</ListBucketResult>') return undefined
  return withNext(rest, { objects, prefixes })
}

const ROOT = /^(?:\ufeff)?\s*(?:<\?xml[^>]*\?>)?\s*<ListBucketResult(?:\s[^>]*[^/])?>/
/** One element below the root; those of interest hold no element of their own name. */
const CHILD = /\s*<(\w+)(?:\s[^>]*)?(?:\/>|>(.*?)<\/\1>)/gsy

function withNext(rest: Readonly<Record<string, string>>, page: StoredPage): ListAnswer | undefined {
  const isTruncated = rest['IsTruncated']
  // Keys that are encoded once more were not asked for.
  if ((rest['EncodingType'] ?? '') !== '') return undefined
  if (isTruncated === 'false') return page
  const next = decode(rest['NextContinuationToken'] ?? '')
  return isTruncated === 'true' && next !== undefined && next !== '' ? { ...page, next } : undefined
}

function parseObject(inner: string): StoredObject | undefined {
  const [key, etag, size] = [fieldOf(inner, 'Key'), fieldOf(inner, 'ETag'), fieldOf(inner, 'Size')]
  if (key === undefined || etag === undefined || size === undefined || !/^\d{1,15}$/.test(size)) return undefined
  return { key, size: Number(size), etag: bareEtag(etag) }
}

/** An entity tag without quotes or the mark of weakness. */
export function bareEtag(etag: string): string {
  const opaque = etag.startsWith('W/') ? etag.slice(2) : etag
  return opaque.length > 1 && opaque.startsWith('"') && opaque.endsWith('"') ? opaque.slice(1, -1) : opaque
}

function fieldOf(inner: string, name: string): string | undefined {
  const open = `<${name}>`
  const start = inner.indexOf(open)
  const end = inner.indexOf(`</${name}>`, start)
  return start < 0 || end < 0 ? undefined : decode(inner.slice(start + open.length, end))
}

/** Resolves XML's five names and numbers; undefined where there is anything else that XML has for text. */
function decode(text: string): string | undefined {
  if (text.includes('<')) return undefined
  if (!text.includes('&')) return text
  let isSound = true
  const decoded = text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));|&/gi, (_, decimal, hex, name) => {
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    const char = code <= 0x10ffff ? String.fromCodePoint(code) : ENTITIES[name ?? '']
    isSound &&= char !== undefined
    return char ?? ''
  })
  return isSound ? decoded : undefined
}

const ENTITIES: Readonly<Record<string, string>> = { quot: '"', amp: '&', apos: "'", lt: '<', gt: '>' }
