import { isRecord } from '../../oci/descriptor.ts'
import { OCI_INDEX } from '../../oci/media-types.ts'
import { isWebPage, jsonOf, statusText, typeOf } from '../answer.ts'
import { type Check, means, passed, skipped, trouble } from '../check.ts'

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
  must: `A list of referrers is an image index with its type to the letter, or 404.`,
  why: 'cosign, oras and Docker 29 look there for signatures and attestations; 404 sends them to the fallback tag, anything else ends in an error.',
  judge({ image }) {
    const answer = image?.referrers?.get
    if (answer === undefined) return skipped('no manifest was got that something could refer to')
    if (answer.status === 404) return passed('there is no list of referrers, and clients ask for the fallback tag')
    const document = answer.status === 200 ? jsonOf(answer) : undefined
    const isList = isRecord(document) && Array.isArray(document['manifests'])
    if (isList && typeOf(answer) === OCI_INDEX) return passed('the list of referrers is right')
    const seen =
      answer.status !== 200
        ? statusText(answer)
        : isWebPage(answer)
          ? '200, a web page'
          : `200, Content-Type: ${typeOf(answer)}`
    return trouble({
      text: 'the list of referrers is neither an index nor 404',
      request: answer.request,
      seen,
      needed: `200, Content-Type: ${OCI_INDEX}; or 404`,
      clients: {
        ...means('caveat', 'cosign verify fails', ['crane']),
        ...means('caveat', 'oras discover fails', ['oras']),
        // It takes 403 for 404, and any JSON for a list (containerd's core/remotes/docker/referrers.go).
        ...(answer.status === 403 || isList
          ? {}
          : means('caveat', 'Docker 29 and later fail to pull images with attestations', ['containerd'])),
      },
    })
  },
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
  must: 'What begins a push is refused: 405, or 401, 403 or 404.',
  why: 'Some servers of files answer a POST with a page and 200, and docker push ends in a riddle.',
  judge({ image }) {
    if (image === undefined) return skipped('there is no image to try')
    const { write: answer } = image
    if (answer.status >= 300 || answer.status === 0) return passed(`a push is refused with ${statusText(answer)}`)
    if (answer.status === 202 && answer.headers['location'] !== undefined)
      return passed('a push may begin: this registry takes some')
    return trouble({
      text: `a push that begins is answered with ${answer.status}, though nothing can be pushed`,
      request: answer.request,
      seen: String(answer.status),
      needed: '405',
      clients: means('caveat', 'a push fails later, for no reason that it can tell', ['docker', 'podman', 'crane']),
    })
  },
}
