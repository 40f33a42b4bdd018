import { reachOf } from '../../http/local-address.ts'
import { type Answer, isLost } from '../answer.ts'
import { type Check, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import type { ImageSeen } from '../observations.ts'

/** Where answers are sent on to. */
export const redirect: Check = {
  name: 'redirect',
  must: 'Redirects end, stay with HTTPS, and lead to no private address.',
  why: 'Clients follow up to ten. A step to plain HTTP lets who stands between read along, and regctl refuses it; crane and cosign refuse a step to another host that is a private address.',
  judge({ image }) {
    if (image === undefined) return skipped('there is no image to try')
    return worst(...answersOf(image).map(judge))
  },
}

function answersOf({ tag, digest, child, blob }: ImageSeen): readonly Answer[] {
  return [tag.get, tag.head, digest?.get, child?.get, blob?.get].filter(answer => answer !== undefined)
}

function judge(answer: Answer): Finding {
  const { request, hops } = answer
  if (isLost(answer))
    return trouble({
      text: answer.status === 0 ? `a redirect leads to no answer: ${answer.broken}` : 'redirects do not end',
      request,
      seen: hops.at(-1)?.to ?? '',
      needed: 'an answer',
      clients: means('fails', 'gives up'),
    })
  let from = new URL(request.slice(request.indexOf(' ') + 1))
  for (const { status, to } of hops) {
    const url = new URL(to)
    const seen = `${status}, Location: ${to}`
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
