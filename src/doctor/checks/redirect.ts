import { reachOf } from '../../http/local-address.ts'
import { type Answer, isLost } from '../answer.ts'
import { type Check, type Consequences, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'

/** Where answers are sent on to. */
export const redirect: Check = {
  name: 'redirect',
  must: 'Redirects end, stay with HTTPS, and lead to no private address.',
  why: 'Clients follow up to ten. A step to plain HTTP lets who stands between read along, and regctl refuses it; crane and cosign refuse a step to another host that is a private address.',
  judge({ image }) {
    if (image === undefined) return skipped('there is no image to try')
    const { tag, digest, child, nested, blob, blobs } = image
    return worst(
      judge(tag.get, LOST),
      judge(tag.head, LOST),
      judge(blob?.get, LOST),
      ...blobs.map(({ answer }) => judge(answer, LOST)),
      judge(child?.get, LOST_CHILD),
      judge(nested?.get, LOST_CHILD),
      judge(digest?.get, LOST_DIGEST),
    )
  },
}

/** What may be shown of an address: in the query of one for a store are signatures that let anyone in. */
function bare(to: string): string {
  const { origin, pathname } = new URL(to)
  return `${origin}${pathname}`
}

const LOST: Consequences = means('fails', 'gives up')
/** Charts have no platforms. */
const LOST_CHILD: Consequences = means('fails', 'gives up', ['docker', 'containerd', 'podman', 'crane', 'oras'])
const LOST_DIGEST: Consequences = {
  ...means('caveat', 'pulls by digest fail'),
  ...means('fails', 'asks for every manifest by digest too', ['docker', 'containerd']),
}

function judge(answer: Answer | undefined, lost: Consequences): Finding {
  if (answer === undefined) return skipped('nothing was asked for')
  const { request, hops } = answer
  if (isLost(answer))
    return trouble({
      text: answer.status === 0 ? `a redirect leads to no answer: ${answer.broken}` : 'redirects do not end',
      request,
      seen: bare(hops.at(-1)?.to ?? request.slice(request.indexOf(' ') + 1)),
      needed: 'an answer',
      clients: lost,
    })
  let from = new URL(request.slice(request.indexOf(' ') + 1))
  for (const { status, to } of hops) {
    const url = new URL(to)
    const seen = `${status}, Location: ${bare(to)}`
    if (from.protocol === 'https:' && url.protocol === 'http:')
      return trouble({
        text: 'a redirect leads to plain HTTP',
        request,
        seen,
        needed: 'https://',
        clients: means('caveat', 'reads it where others can read along'),
      })
    const isNear = ['loopback', 'private', 'link-local'].includes(reachOf(url.hostname)) && /^[\d.[]/.test(url.hostname)
    if (isNear && url.hostname !== from.hostname)
      return trouble({
        text: 'a redirect leads to a private address',
        request,
        seen,
        needed: 'an address that everyone reaches',
        clients: means('fails', 'refuses it', ['crane']),
      })
    from = url
  }
  return passed(hops.length === 0 ? 'there are none' : `they lead to ${from.host}`)
}
