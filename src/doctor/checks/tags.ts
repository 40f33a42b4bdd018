import { isRecord } from '../../oci/descriptor.ts'
import { asDigest } from '../../oci/digest.ts'
import { parseManifest } from '../../oci/manifest.ts'
import { type Answer, encodingOf, jsonOf, statusText, typeOf } from '../answer.ts'
import { type Check, type Consequences, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import { CLIENTS } from '../report.ts'
import { unpacked } from '../unpacked.ts'

/** Seconds that a tag may be old without anybody minding. */
const FRESH = 300

/** Tags that look like names of files. */
export const dottedTag: Check = {
  name: 'dotted-tag',
  must: 'Tags that look like names of files (1.0.gz, v1.js, latest.html) are served as all others.',
  why: 'Most hosts guess type, encoding and language from what follows the last dot.',
  judge({ image }) {
    const dotted = image?.dotted ?? []
    if (dotted.length === 0) return skipped('the repository has no tag that looks like the name of a file')
    return worst(
      ...dotted.flatMap(({ tag, get, packed }) => [
        judgeDotted(tag, { answer: get, usual: usualOf(image?.tag.get) }),
        judgeDotted(tag, { answer: packed, usual: usualOf(image?.tag.packed) }),
      ]),
    )
  },
}

/** What is wrong with an answer for a tag. */
interface Fault {
  readonly of: 'status' | 'type' | 'encoding' | 'language' | 'bytes'
  readonly seen: string
  readonly needed: string
}

function usualOf(answer: Answer | undefined): Fault | undefined {
  return answer === undefined ? undefined : faultOf(answer)
}

/** What is wrong with every tag is not for its name. */
function judgeDotted(
  tag: string,
  { answer, usual }: { readonly answer: Answer; readonly usual: Fault | undefined },
): Finding {
  const fault = faultOf(answer)
  if (fault === undefined || fault.of === usual?.of) return passed(`${tag} is served as all others`)
  const { seen, needed } = fault
  return trouble({
    text: `the tag ${tag} is not served as others are: by its name it is taken for a file, or has no rule of its own`,
    request: answer.request,
    seen,
    needed,
    clients: concerned(fault, answer, `cannot pull ${tag}`),
  })
}

/** Docker and containerd ask for a tag by HEAD, and then by the digest that it names; of the rest Go programs know gzip alone. */
function concerned({ of, seen }: Fault, { headers }: Answer, why: string): Consequences {
  const isNamed = headers['docker-content-digest'] !== undefined
  if (of === 'language') return {}
  if (of === 'type') return means('caveat', why, isNamed ? CLIENTS.filter(client => client !== 'docker') : CLIENTS)
  if (of !== 'encoding') return means('caveat', why)
  if (!/: gzip$/.test(seen)) return isNamed ? {} : means('caveat', `${why} from containerd 2.0 on`, ['containerd'])
  return means('caveat', why, isNamed ? ['podman', 'crane', 'oras', 'helm'] : CLIENTS)
}

function faultOf(answer: Answer): Fault | undefined {
  if (answer.status !== 200) return { of: 'status', seen: statusText(answer), needed: '200' }
  const packing = encodingOf(answer)
  const expected = mediaTypeOf(answer)
  if (expected !== undefined && typeOf(answer) !== expected)
    return { of: 'type', seen: `Content-Type: ${typeOf(answer)}`, needed: `Content-Type: ${expected}` }
  if (packing !== undefined && unpacked(answer) === answer.bytes)
    return { of: 'encoding', seen: `Content-Encoding: ${packing}`, needed: 'no Content-Encoding' }
  const language = answer.headers['content-language']
  if (language !== undefined)
    return { of: 'language', seen: `Content-Language: ${language}`, needed: 'no Content-Language' }
  return expected === undefined ? { of: 'bytes', seen: 'no manifest', needed: 'a manifest' } : undefined
}

function mediaTypeOf(answer: Answer): string | undefined {
  try {
    return parseManifest(unpacked(answer)).mediaType
  } catch {
    return undefined
  }
}

/** Tags that differ by case. */
export const tagCase: Check = {
  name: 'case',
  must: 'A tag in other letters, RC1 for rc1, is another tag.',
  why: 'Disks of macOS and Windows, and the rules of some hosts, take them for one, and one of two images is then served as the other.',
  judge({ image }) {
    if (image?.tag.manifest === undefined) return skipped('no manifest was got by tag')
    const { flipped } = image
    if (flipped === undefined) return skipped('the tag has no letters, or is there in both cases')
    const isSame = flipped.get.status === 200 && Buffer.from(flipped.get.bytes).equals(image.tag.get.bytes)
    if (!isSame) return passed('case makes a difference')
    return trouble({
      text: `the tag ${flipped.tag} is answered with what ${image.tag.reference} is`,
      request: flipped.get.request,
      seen: '200',
      needed: '404',
      clients: means('caveat', 'gets one image for both where two tags differ by case only'),
    })
  },
}

/** How old tags may be. */
export const tagCache: Check = {
  name: 'tag-cache',
  must: `A tag may be kept for some minutes at most (${FRESH / 60} here), and a digest for ever.`,
  why: 'A tag that a CDN or a proxy keeps for a day is a day old to everybody behind it; and where HEAD and GET are of different age, pulls fail.',
  judge({ image }) {
    if (image === undefined || image.tag.get.status !== 200) return skipped('nothing was got by tag')
    if (asDigest(image.tag.reference) !== undefined) return skipped('the image was named by digest')
    const { get } = image.tag
    const { 'cache-control': control = '', age: kept = '0', expires = '', date = '' } = get.headers
    const age = Number(/^\s*(\d+)/.exec(kept)?.[1] ?? 0)
    const longest = lifetime(control) ?? Math.max(0, (Date.parse(expires) - Date.parse(date)) / 1000 || 0)
    if (longest <= FRESH && age <= FRESH && !/immutable/i.test(control)) return passed('tags are fresh')
    return trouble({
      text: `a tag that moves is seen up to ${inWords(Math.max(longest, age))} later`,
      request: get.request,
      seen: age > FRESH ? `Age: ${kept}` : control === '' ? `Expires: ${expires}` : `Cache-Control: ${control}`,
      needed: 'Cache-Control: public, max-age=60',
      clients: means('caveat', 'may get what a tag named before'),
    })
  },
}

/** How many seconds Cache-Control lets an answer be kept; undefined where it does not say. */
function lifetime(control: string): number | undefined {
  if (/(?:^|[,\s])(?:no-store|no-cache)/i.test(control)) return 0
  const ages = [...control.matchAll(/max-?age=(\d+)/gi)].map(match => Number(match[1]))
  return ages.length === 0 ? undefined : Math.max(...ages)
}

function inWords(seconds: number): string {
  const [unit, length] = seconds >= 86_400 ? ['day', 86_400] : seconds >= 3600 ? ['hour', 3600] : ['minute', 60]
  const number = Math.round(seconds / length)
  return `${number} ${unit}${number === 1 ? '' : 's'}`
}

/** The list of tags. */
export const tagsList: Check = {
  name: 'tags-list',
  must: 'GET /v2/<name>/tags/list is JSON with the name and all tags.',
  why: 'helm looks there for the newest version of a chart, and so do crane ls, skopeo list-tags and docker pull -a.',
  judge({ image }) {
    if (image === undefined) return skipped('there is no image to try')
    const { tagsList: answer, repository, tag } = image
    if (answer.status === 404 && tag.get.status === 404) return skipped('no repository of that name is there')
    const document = answer.status === 200 ? jsonOf(answer) : undefined
    const tags = isRecord(document) && Array.isArray(document['tags']) ? document['tags'] : undefined
    const wrong = (seen: string): Finding =>
      trouble({
        text: 'the list of tags is not there, or does not say what is there',
        request: answer.request,
        seen,
        needed: JSON.stringify({ name: repository, tags: [tag.reference.includes(':') ? '…' : tag.reference] }),
        clients: means('caveat', 'cannot list tags, nor find the newest of some', [
          'docker',
          'podman',
          'crane',
          'oras',
          'helm',
        ]),
      })
    if (answer.status !== 200) return wrong(statusText(answer))
    if (!isRecord(document) || tags === undefined)
      return wrong(typeOf(answer) === '' ? 'no list of tags' : `no list of tags (${typeOf(answer)})`)
    if (document['name'] !== repository) return wrong(`the name ${JSON.stringify(document['name'])}`)
    if (tag.get.status === 200 && !tag.reference.includes(':') && !tags.includes(tag.reference))
      return wrong(`no ${tag.reference}`)
    return passed('the list of tags is right')
  },
}
