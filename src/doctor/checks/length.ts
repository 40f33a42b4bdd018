import { encodingOf, lengthOf } from '../answer.ts'
import { type Check, type Consequences, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import type { BlobSeen, ManifestSeen } from '../observations.ts'
import { unpacked } from '../unpacked.ts'

/** Lengths are stated. */
export const length: Check = {
  name: 'length',
  must: 'Content-Length is the number of bytes, on HEAD as on GET.',
  why: 'containerd takes the length that HEAD states for the size of the manifest; Docker fails where HEAD states a digest and no length; oras needs it to resolve a tag. Of blobs, Docker shows no progress without it, and programs that read layers piece by piece ask HEAD for it.',
  judge({ image }) {
    if (image?.tag.actual === undefined) return skipped('no manifest was got by tag')
    const { tag, digest, blob } = image
    return worst(
      judge(tag, true),
      digest === undefined ? skipped('') : judge(digest, false),
      blob === undefined ? skipped('') : judgeBlob(blob),
    )
  },
}

function judge(seen: ManifestSeen, isTag: boolean): Finding {
  const { head, get } = seen
  if (get.status !== 200 || head.status !== 200) return skipped('HEAD and GET are not both answered')
  const size = unpacked(get).length
  const stated = lengthOf(head)
  if (stated !== undefined && stated !== size) {
    return trouble({
      text: `HEAD states a length of ${stated} bytes, GET gives ${size}`,
      request: head.request,
      seen: `Content-Length: ${stated}`,
      needed: `Content-Length: ${size}`,
      clients: isTag
        ? {
            ...means('fails', 'compares the manifest with the length', ['containerd']),
            ...means('caveat', 'oras resolve states it', ['oras']),
          }
        : means('caveat', 'pulls by digest fail', ['containerd', 'oras']),
    })
  }
  if (stated === undefined) return noLengthOnHead(seen, { isTag, size })
  if (lengthOf(get) === undefined && get.headers['content-encoding'] === undefined) return noLengthOnGet(seen, size)
  return passed('lengths are stated, and right')
}

function noLengthOnHead(
  { reference, head, get }: ManifestSeen,
  { isTag, size }: { readonly isTag: boolean; readonly size: number },
): Finding {
  // Docker asks by HEAD for tags alone.
  const isPinned = reference.includes(':')
  const forDocker: Consequences =
    head.headers['docker-content-digest'] === undefined
      ? means('caveat', 'asks again by GET', ['docker'])
      : means('fails', 'refuses a digest without a length', ['docker'])
  return trouble({
    text: 'HEAD states no length',
    request: head.request,
    seen: 'no Content-Length',
    needed: `Content-Length: ${size}`,
    clients: isTag
      ? {
          ...(isPinned ? {} : forDocker),
          ...means('caveat', 'asks again by GET', ['containerd', 'crane']),
          ...means('caveat', 'oras resolve and oras discover fail', ['oras']),
          ...(lengthOf(get) === undefined ? means('fails', 'needs a length', ['oras', 'helm']) : {}),
        }
      : {
          ...means('caveat', 'asks again by GET for what is pulled by digest', ['containerd']),
          ...means('caveat', 'oras resolve and oras discover fail by digest', ['oras']),
        },
  })
}

/** Without a length on GET oras asks by HEAD, which must then say everything. */
function noLengthOnGet({ head, get }: ManifestSeen, size: number): Finding {
  const isEnough = head.headers['docker-content-digest'] !== undefined
  return trouble({
    text: 'GET states no length: the answer comes in chunks',
    request: get.request,
    seen: 'no Content-Length',
    needed: `Content-Length: ${size}`,
    clients: isEnough
      ? means('caveat', 'asks once more, by HEAD', ['oras', 'helm'])
      : means('fails', 'asks by HEAD instead, which has no Docker-Content-Digest', ['oras', 'helm']),
  })
}

/** Everybody knows the size of a blob from its manifest: pulls go on without a length. One of GET that is another is judged with the bytes. */
function judgeBlob({ descriptor, head, get }: BlobSeen): Finding {
  const needed = `Content-Length: ${descriptor.size}`
  const stated = lengthOf(head)
  if (head.status === 200 && stated !== undefined && stated !== descriptor.size && encodingOf(head) === undefined) {
    return trouble({
      text: `HEAD states a length of ${stated} bytes for a blob of ${descriptor.size}`,
      request: head.request,
      seen: `Content-Length: ${stated}`,
      needed,
      clients: {
        ...means('caveat', 'lazy pulls take it for the size of the layer', ['containerd', 'podman']),
        ...means('caveat', 'oras blob fetch takes it for the size', ['oras']),
      },
    })
  }
  if (get.status === 200 && lengthOf(get) === undefined && encodingOf(get) === undefined) {
    return trouble({
      text: 'GET of a blob states no length: the answer comes in chunks',
      request: get.request,
      seen: 'no Content-Length',
      needed,
      clients: means('caveat', 'shows no progress', ['docker']),
    })
  }
  return passed('lengths are stated, and right')
}
