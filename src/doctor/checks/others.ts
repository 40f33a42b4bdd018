import { isRecord } from '../../oci/descriptor.ts'
import { OCI_INDEX } from '../../oci/media-types.ts'
import { type Answer, isWebPage, jsonOf, statusText, typeOf } from '../answer.ts'
import { type Check, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'

/** A question mark after the path. */
export const namespace: Check = {
  name: 'namespace',
  must: 'A query that the host does not know (?ns=docker.io) changes nothing.',
  why: 'containerd adds it to every request where a host stands in for another.',
  judge({ image }) {
    if (image === undefined || image.tag.get.status !== 200) return skipped('nothing was got by tag')
    const { namespaced, tag } = image
    if (namespaced.status === 200 && Buffer.from(namespaced.bytes).equals(tag.get.bytes))
      return passed('a query changes nothing')
    return trouble({
      text: 'the same address with ?ns= is answered otherwise',
      request: namespaced.request,
      seen: namespaced.status === 200 ? 'other bytes' : statusText(namespaced),
      needed: 'the same answer',
      clients: means('caveat', 'cannot use the host as a mirror of another', ['containerd']),
    })
  },
}

/** What refers to an image. */
export const referrers: Check = {
  name: 'referrers',
  must: 'A list of referrers is an image index with its type to the letter, or 404; so is the fallback tag sha256-….',
  why: 'cosign, oras and Docker 29 look there for signatures and attestations; 404 sends them to the fallback tag, anything else ends in an error.',
  judge({ image }) {
    if (image?.referrers === undefined) return skipped('no manifest was got that something could refer to')
    const { get, fallback } = image.referrers
    return worst(judgeList(get), judgeFallback(get, fallback))
  },
}

const NO_DISCOVERY = means('caveat', 'oras discover fails', ['oras'])
const NO_COSIGN = means('caveat', 'cosign verify fails', ['crane'])
/** What cosign takes for a registry without such lists (go-containerregistry's pkg/v1/remote/referrers.go). */
const NO_LISTS: readonly number[] = [400, 404, 406]

function judgeList(answer: Answer): Finding {
  if (answer.status === 404) return passed('there is no list of referrers, and clients ask for the fallback tag')
  const isIndex = isList(answer)
  if (isIndex && typeOf(answer) === OCI_INDEX) return passed('the list of referrers is right')
  return trouble({
    text: 'the list of referrers is neither an index nor 404',
    request: answer.request,
    seen: listSeen(answer),
    needed: `200, Content-Type: ${OCI_INDEX}; or 404`,
    clients: {
      ...(NO_LISTS.includes(answer.status) ? {} : NO_COSIGN),
      ...NO_DISCOVERY,
      // It takes 403 for 404, and any JSON for a list (containerd's core/remotes/docker/referrers.go).
      ...(answer.status === 403 || isIndex
        ? {}
        : means('caveat', 'Docker 29 and later fail to pull images with attestations', ['containerd'])),
    },
  })
}

/** The tag that stands in for the list, where there is none; that it may be missing is judged with what is missing. */
function judgeFallback(list: Answer, answer: Answer): Finding {
  if (!NO_LISTS.includes(list.status)) return skipped('nobody looks at the fallback tag')
  if (answer.status !== 200) return skipped('there is no fallback tag')
  if (isList(answer) && typeOf(answer) === OCI_INDEX) return passed('the fallback tag is right')
  return trouble({
    text: 'the fallback tag, which stands in for the list of referrers, is not an index of that type',
    request: answer.request,
    seen: listSeen(answer),
    needed: `200, Content-Type: ${OCI_INDEX}; or 404`,
    // Of the type they take no notice; regctl does.
    clients: isList(answer) ? {} : { ...NO_COSIGN, ...NO_DISCOVERY },
  })
}

function isList(answer: Answer): boolean {
  const document = answer.status === 200 ? jsonOf(answer) : undefined
  return isRecord(document) && Array.isArray(document['manifests'])
}

function listSeen(answer: Answer): string {
  if (answer.status !== 200) return statusText(answer)
  return isWebPage(answer) ? '200, a web page' : `200, Content-Type: ${typeOf(answer)}`
}

/** Another spelling of a digest. */
export const colon: Check = {
  name: 'colon',
  must: 'sha256%3A… is answered as sha256:… is.',
  why: 'RFC 3986 has both mean the same; programs in browsers write the first. No engine does.',
  judge({ image }) {
    const answer = image?.escaped
    if (image?.digest?.get.status !== 200 || answer === undefined) return skipped('nothing was got by digest')
    if (answer.status === 200 && Buffer.from(answer.bytes).equals(image.digest.get.bytes))
      return passed('an escaped colon is a colon')
    return trouble({
      text: 'an escaped colon is not taken for a colon',
      request: answer.request,
      seen: statusText(answer),
      needed: '200',
      clients: {},
    })
  },
}

/** What writes. */
export const write: Check = {
  name: 'write',
  must: 'A POST is refused: 405, or 401, 403 or 404.',
  why: 'Some servers of files answer a POST with a page and 200, and docker push ends in a riddle.',
  judge({ image }) {
    if (image === undefined) return skipped('there is no image to try')
    const { write: answer } = image
    if (answer.status >= 300 || answer.status === 0) return passed(`a POST is refused with ${statusText(answer)}`)
    return trouble({
      text: `a POST is answered with ${answer.status}, though no registry takes one there`,
      request: answer.request,
      seen: String(answer.status),
      needed: '405',
      clients: means('caveat', 'a push fails later, for no reason that it can tell', ['docker', 'podman', 'crane']),
    })
  },
}
