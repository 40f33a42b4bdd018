import { parseChallenges } from '../../http/challenge.ts'
import { apiHostOf, DOCKER_HUB } from '../../oci/reference.ts'
import { type Answer, statusText } from '../answer.ts'
import { type Check, type Consequences, type Finding, means, passed, skipped, trouble } from '../check.ts'
import type { Observations } from '../observations.ts'
import type { Client } from '../report.ts'

/** The question that some clients begin with. */
export const version: Check = {
  name: 'version',
  must: 'GET /v2/ is answered with 200, or with 401 and a way to log in that works.',
  why: 'podman, skopeo, CRI-O, crane and cosign ask for it before anything else and give up at any other answer but 401; Docker asks and goes on. A folder without an index is 403 or 404 on most hosts. After 401 all of them log in as it says before they ask for an image, also for one that needs no login.',
  judge(seen) {
    const { version: answer } = seen
    if (answer === undefined) return skipped('there is no connection')
    if (answer.status === 200) return passed('/v2/ is 200')
    if (answer.status === 429) return skipped('the host limits requests')
    if (answer.status === 401 && answer.headers['www-authenticate'] !== undefined) return judgeChallenge(answer, seen)
    return trouble({
      text: `/v2/ is ${statusText(answer)}, not 200`,
      request: answer.request,
      seen: statusText(answer),
      needed: '200',
      clients: answer.status === 401 ? unanswerable : refused,
    })
  },
}

const refused: Consequences = means('fails', 'asks for /v2/ first, and gives up', ['podman', 'crane'])
const unanswerable: Consequences = means('caveat', 'is not told how to log in, and goes on without', [
  'podman',
  'crane',
])

/** Those who give up where they cannot log in as /v2/ says. Where a password is wanted, and there is none, all but Docker go on without. */
function whoGivesUp(challenge: string): readonly Client[] {
  const schemes = parseChallenges(challenge).map(({ scheme }) => scheme)
  if (schemes.includes('bearer')) return ['docker', 'podman', 'crane']
  return schemes.includes('basic') ? ['docker'] : ['crane']
}

function judgeChallenge(answer: Answer, { image, origin }: Observations): Finding {
  const { login, request } = answer
  const challenge = answer.headers['www-authenticate'] ?? ''
  const told = { request, seen: `401, WWW-Authenticate: ${challenge}` }
  const why = login === undefined || login.outcome === 'sent' ? undefined : login.why
  if (image !== undefined) {
    if (why === undefined || login?.outcome === 'unsafe') return passed('/v2/ asks who is there, and the tag is shown')
    return trouble({
      ...told,
      text: `/v2/ wants a login that nobody gets, though the tag needs none: ${why}`,
      needed: '200, or a token for anybody who asks for one',
      clients: means('fails', 'asks /v2/ how to log in first, and gives up', whoGivesUp(challenge)),
    })
  }
  if (login?.outcome === 'broken') {
    return trouble({
      ...told,
      text: `nobody can log in: ${why}`,
      needed: '200, or a token server that answers',
      clients: means('fails', 'gets no token'),
      fix: 'have the token server that WWW-Authenticate names answer with a token, or open what everybody may pull and answer /v2/ with 200 and {}',
    })
  }
  return trouble({
    ...told,
    text: 'the registry is private, and nothing here logs in to it',
    needed: '200, or a login: docker login, --authfile FILE',
    clients: means('caveat', 'needs a login'),
    fix: `docker login ${origin.host === apiHostOf(DOCKER_HUB) ? DOCKER_HUB : origin.host}, then run it again; or name a file with --authfile`,
  })
}
