/**
 * The worker, but for the data that it begins with: PATH, RESERVED, HEADERS, ERRORS, ERROR_HEADERS, VERSION and NO_REFERRERS. Plain JavaScript without dependencies,
 * the same for every content: it looks up what it is asked for in the bucket.
 */
export const WORKER_SCRIPT: string = String.raw`
/** More parts of a file are not read for one answer: each is a read of the bucket. */
const MOST_RANGES = 16

export default {
  async fetch(request, { CONTENT: bucket }) {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return failure(request, 405, 'UNSUPPORTED', { Allow: 'GET, HEAD' })
    const url = new URL(request.url)
    const target = parsePath(url.pathname)
    if (target === undefined) return failure(request, 404, 'NAME_UNKNOWN')
    const { kind, repository, reference, key } = target
    switch (kind) {
      case 'version':
        return send(request, headersOf('version'), VERSION, VERSION.length)
      case 'catalog':
        return sendDocument(request, 'catalog', await bucket.get(key))
      case 'tags':
        return sendDocument(request, 'tags', await bucket.get(key), text => selectTags(text, url.searchParams))
      case 'referrers': {
        const found = (await bucket.get(key)) ?? { text: async () => NO_REFERRERS }
        return sendDocument(request, 'referrers', found, text => selectReferrers(text, url.searchParams))
      }
      case 'manifest':
        return (
          (await sendManifest(request, bucket, key, reference)) ??
          unknown(request, bucket, repository, 'MANIFEST_UNKNOWN')
        )
      case 'blob':
        return (await sendBlob(request, bucket, key, reference)) ?? unknown(request, bucket, repository, 'BLOB_UNKNOWN')
    }
  },
}

/** What a path of the distribution API names; undefined for any other, so that nothing else in the bucket can be read. */
function parsePath(pathname) {
  if (pathname === '/v2' || pathname === '/v2/') return { kind: 'version' }
  if (pathname === '/v2/_catalog') return { kind: 'catalog', key: 'v2/_catalog' }
  const { repository, tags, manifest, blob, subject } = PATH.exec(decode(pathname))?.groups ?? {}
  if (repository === undefined || repository.split('/').some(part => part.startsWith('_') || RESERVED.includes(part)))
    return undefined
  const place = 'v2/' + repository
  if (tags !== undefined) return { kind: 'tags', repository, key: place + '/tags/list' }
  if (manifest !== undefined)
    return { kind: 'manifest', repository, reference: manifest, key: place + '/manifests/' + manifest }
  if (blob !== undefined) return { kind: 'blob', repository, reference: blob, key: place + '/blobs/' + blob }
  return { kind: 'referrers', repository, reference: subject, key: place + '/referrers/' + subject }
}

function decode(pathname) {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return ''
  }
}

/** By digest the header says what was asked for; by tag it is computed from the bytes, so that both always agree. */
async function sendManifest(request, bucket, key, reference) {
  const object = await bucket.get(key)
  if (object === null) return undefined
  const bytes = await object.arrayBuffer()
  const byDigest = reference.includes(':')
  const digest = byDigest ? reference : 'sha256:' + hex(await crypto.subtle.digest('SHA-256', bytes))
  const mediaType = object.httpMetadata?.contentType ?? 'application/octet-stream'
  const headers = headersOf(byDigest ? 'manifest' : 'tag', { digest, mediaType })
  return isKnown(request, headers) ? notModified(headers) : send(request, headers, bytes, bytes.byteLength)
}

async function sendBlob(request, bucket, key, digest) {
  const isPlain = request.method === 'GET' && !request.headers.has('Range') && !request.headers.has('If-None-Match')
  const object = isPlain ? await bucket.get(key) : await bucket.head(key)
  if (object === null) return undefined
  const { size } = object
  const headers = { ...headersOf('blob', { digest }), 'Accept-Ranges': 'bytes' }
  if (isPlain) return send(request, headers, stream(object.body, size), size)
  if (isKnown(request, headers)) return notModified(headers)
  if (request.method === 'HEAD') return send(request, headers, null, size)
  const ranges = rangesOf(request, headers.ETag, size) ?? [{ offset: 0, length: size, isWhole: true }]
  if (ranges.length === 0) return failure(request, 416, 'RANGE_INVALID', { 'Content-Range': 'bytes */' + size })
  if (ranges.length > 1) return sendParts(bucket, key, headers, ranges, size)
  const [{ isWhole, ...range }] = ranges
  const found = await bucket.get(key, isWhole ? {} : { range })
  if (found === null) return undefined
  const part = isWhole ? headers : { ...headers, 'Content-Range': contentRange(range, size) }
  return send(request, part, stream(found.body, range.length), range.length, isWhole ? 200 : 206)
}

/** The parts of a blob, one after another (RFC 9110, 14.6). */
function sendParts(bucket, key, headers, ranges, size) {
  const boundary = crypto.randomUUID()
  const encode = text => new TextEncoder().encode(text)
  const heads = ranges.map(range =>
    encode(
      '\r\n--' +
        boundary +
        '\r\nContent-Type: ' +
        headers['Content-Type'] +
        '\r\nContent-Range: ' +
        contentRange(range, size) +
        '\r\n\r\n',
    ),
  )
  const end = encode('\r\n--' + boundary + '--\r\n')
  const length = ranges.reduce((sum, range, index) => sum + heads[index].length + range.length, end.length)
  const { readable, writable } = new FixedLengthStream(length)
  const write = async () => {
    for (const [index, range] of ranges.entries()) {
      const writer = writable.getWriter()
      await writer.write(heads[index])
      writer.releaseLock()
      const { body } = await bucket.get(key, { range })
      await body.pipeTo(writable, { preventClose: true })
    }
    const writer = writable.getWriter()
    await writer.write(end)
    await writer.close()
  }
  write().catch(error => writable.abort(error).catch(() => {}))
  const type = { 'Content-Type': 'multipart/byteranges; boundary=' + boundary, 'Content-Length': String(length) }
  return new Response(readable, { status: 206, headers: { ...headers, ...type } })
}

/** The ranges that are asked for; undefined: the whole is to be sent. None: there are no such bytes. */
function rangesOf(request, etag, size) {
  const header = request.headers.get('Range')
  const condition = request.headers.get('If-Range')
  const specs = /^bytes=(.+)$/i
    .exec(header ?? '')?.[1]
    .split(',')
    .map(spec => /^\s*(\d*)-(\d*)\s*$/.exec(spec))
  if (specs === undefined || size === 0 || specs.length > MOST_RANGES || (condition !== null && condition !== etag))
    return undefined
  const ranges = []
  for (const spec of specs) {
    if (spec === null || (spec[1] === '' && spec[2] === '')) return undefined
    const [from, to] = [Number(spec[1]), spec[2] === '' ? Number.POSITIVE_INFINITY : Number(spec[2])]
    if (spec[1] !== '' && to < from) return undefined
    const offset = spec[1] === '' ? Math.max(0, size - to) : from
    const length = spec[1] === '' ? size - offset : Math.min(to, size - 1) - from + 1
    if (offset < size && length > 0) ranges.push({ offset, length })
  }
  return ranges.reduce((sum, range) => sum + range.length, 0) > size ? undefined : ranges
}

function contentRange({ offset, length }, size) {
  return 'bytes ' + offset + '-' + (offset + length - 1) + '/' + size
}

/** Ends an answer whose bytes are fewer than it said. */
function stream(body, length) {
  return body.pipeThrough(new FixedLengthStream(length))
}

async function sendDocument(request, kind, object, select = text => ({ text })) {
  if (object === null) return failure(request, 404, 'NAME_UNKNOWN')
  const { text, headers = {} } = select(await object.text())
  const bytes = new TextEncoder().encode(text)
  return send(request, { ...headersOf(kind), ...headers }, bytes, bytes.length)
}

/** The tags after ?last=, ?n= of them, with the address of those that follow (distribution spec, "Listing Tags"). */
function selectTags(text, query) {
  const [last, n] = [query.get('last'), query.get('n')]
  const limit = /^\d{1,9}$/.test(n ?? '') ? Number(n) : Number.POSITIVE_INFINITY
  if (last === null && limit === Number.POSITIVE_INFINITY) return { text }
  const { name, tags } = JSON.parse(text)
  const rest = tags.filter(tag => last === null || tag > last)
  const page = rest.slice(0, limit)
  const more = page.length > 0 && page.length < rest.length
  const link = '</v2/' + name + '/tags/list?n=' + n + '&last=' + encodeURIComponent(page.at(-1) ?? '') + '>; rel="next"'
  return { text: JSON.stringify({ name, tags: page }), headers: more ? { Link: link } : {} }
}

function selectReferrers(text, query) {
  const wanted = query.get('artifactType')
  if (wanted === null) return { text }
  const index = JSON.parse(text)
  const manifests = index.manifests.filter(({ artifactType }) => artifactType === wanted)
  return { text: JSON.stringify({ ...index, manifests }), headers: { 'OCI-Filters-Applied': 'artifactType' } }
}

/** Whether a client has these bytes already (RFC 9110, 13.1.2). */
function isKnown(request, { ETag: etag }) {
  const known = request.headers.get('If-None-Match')
  return (
    known !== null && (known.trim() === '*' || known.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag))
  )
}

function notModified(headers) {
  return new Response(null, { status: 304, headers })
}

/** What is missing, or all of its repository. */
async function unknown(request, bucket, repository, code) {
  const isThere = (await bucket.head('v2/' + repository + '/tags/list')) !== null
  return failure(request, 404, isThere ? code : 'NAME_UNKNOWN')
}

function failure(request, status, code, headers = {}) {
  const body = ERRORS[code]
  return send(request, { ...ERROR_HEADERS, ...headers }, body, body.length, status)
}

/** HEAD is answered as GET, length included. */
function send(request, headers, body, length, status = 200) {
  const all = { ...headers, 'Content-Length': String(length) }
  return new Response(request.method === 'HEAD' ? null : body, { status, headers: all })
}

function headersOf(kind, values = {}) {
  const fill = value => value.replace(/\{(\w+)\}/g, (_, name) => values[name])
  return Object.fromEntries(Object.entries(HEADERS[kind]).map(([name, value]) => [name, fill(value)]))
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), byte => byte.toString(16).padStart(2, '0')).join('')
}
`
