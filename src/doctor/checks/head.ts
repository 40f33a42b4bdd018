import type { Manifest } from '../../oci/manifest.ts'
import { type Answer, statusText, typeOf } from '../answer.ts'
import { type Check, type Consequences, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import type { ImageSeen } from '../observations.ts'

/** HEAD says what GET would. */
export const head: Check = {
  name: 'head',
  must: 'HEAD is answered as GET is: same status, same Content-Type.',
  why: 'Docker and containerd ask for a tag by HEAD first and believe what it says; oras resolves tags by it.',
  judge({ image }) {
    if (image === undefined || image.tag.get.status !== 200)
      return skipped('nothing was got that HEAD could be compared with')
    return worst(...compareAll(image))
  },
}

function* compareAll({ tag, digest, child, blob }: ImageSeen): Generator<Finding> {
  yield compare(tag, byTag(tag.head.status))
  if (digest !== undefined) yield compare(digest, means('caveat', 'pulls by digest', ['containerd']))
  if (child !== undefined)
    yield compare(child, means('caveat', 'asks for children by HEAD in some commands', ['crane', 'oras']))
  if (blob !== undefined)
    yield compare(blob, means('caveat', 'asks for the size of layers by HEAD in some commands', ['crane', 'oras']))
}

/** What was asked for by GET and by HEAD; a blob is no manifest. */
interface Pair {
  readonly get: Answer
  readonly head: Answer
  readonly manifest?: Manifest
}

function compare({ get, head: answer, manifest }: Pair, clients: Consequences): Finding {
  if (get.status !== 200) return skipped('GET is not answered')
  if (answer.status !== 200)
    return trouble({
      text: `HEAD is ${statusText(answer)} where GET is 200`,
      request: answer.request,
      seen: statusText(answer),
      needed: '200',
      clients,
    })
  // Nobody reads the type of a blob, and where GET alone is wrong that is another check's.
  if (manifest === undefined || [typeOf(get), manifest.mediaType].includes(typeOf(answer)))
    return passed('HEAD is as GET')
  return trouble({
    text: `HEAD says another Content-Type than GET`,
    request: answer.request,
    seen: typeOf(answer) === '' ? 'no Content-Type' : `Content-Type: ${typeOf(answer)}`,
    needed: `Content-Type: ${typeOf(get)}`,
    clients: {
      ...means('fails', 'believes HEAD', ['containerd']),
      ...means('caveat', 'believes HEAD where it resolves tags', ['crane', 'oras']),
    },
  })
}

/** Docker asks by GET whatever HEAD says; containerd does only where the method is refused. */
function byTag(status: number): Consequences {
  return {
    ...means('caveat', 'asks again by GET', ['docker']),
    ...(status === 405
      ? means('caveat', 'asks again by GET', ['containerd'])
      : means('fails', 'takes it for the answer', ['containerd'])),
    ...means('caveat', 'crane digest asks again by GET', ['crane']),
    ...means('caveat', 'oras resolve and oras discover fail by tag', ['oras']),
  }
}
