import { isRecord } from '../../oci/descriptor.ts'
import { type Answer, isLost, isWebPage, jsonOf, statusText } from '../answer.ts'
import { type Check, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'

/** What is not there is said not to be there. */
export const missing: Check = {
  name: 'missing',
  must: 'What is not there is 404, for tags, digests and blobs, with an error of the distribution API as JSON.',
  why: 'Clients ask for signatures, attestations and referrers that may not be there, and take any answer but 404 for an error or for content: S3 says 403 to who may not list a bucket, sites of one page say 200 to everything.',
  judge({ image }) {
    if (image === undefined) return skipped('there is no image to try')
    const { tag, digest, blob } = image.missing
    return worst(judge(tag, 'a tag', true), judge(digest, 'a digest', true), judge(blob, 'a blob', false))
  },
}

function judge(answer: Answer, what: string, isManifest: boolean): Finding {
  if (answer.status === 404) return isManifest ? judgeBody(answer) : passed('it is 404')
  if (isLost(answer)) return skipped('redirects do not end')
  const seen = `${statusText(answer)}${answer.status === 200 && isWebPage(answer) ? ', a web page' : ''}`
  return trouble({
    text: `${what} that is not there is ${seen}, not 404`,
    request: answer.request,
    seen,
    needed: '404',
    clients: {
      ...means(
        'caveat',
        isManifest
          ? 'Docker 29 and later fail to pull images with attestations'
          : 'says something else than "not found"',
        ['containerd'],
      ),
      ...means('caveat', 'says something else than "not found"', ['docker', 'podman', 'helm']),
      ...means('caveat', 'cosign verify fails for what is not signed', ['crane']),
      ...means('caveat', 'oras discover fails', ['oras']),
    },
  })
}

/** Only Docker reads it, for its message. */
function judgeBody(answer: Answer): Finding {
  const document = jsonOf(answer)
  if (isRecord(document) && Array.isArray(document['errors'])) return passed('it is 404, with the right JSON')
  return trouble({
    text: 'the 404 has no error of the distribution API in it',
    request: answer.request,
    seen: isWebPage(answer) ? 'a web page' : (answer.headers['content-type'] ?? 'no Content-Type'),
    needed: '{"errors":[{"code":"MANIFEST_UNKNOWN",…}]}',
    clients: means('caveat', 'its message is less clear', ['docker']),
  })
}
