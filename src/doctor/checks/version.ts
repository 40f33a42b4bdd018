import { statusText } from '../answer.ts'
import { type Check, type Consequences, means, passed, skipped, trouble } from '../check.ts'

/** The question that some clients begin with. */
export const version: Check = {
  name: 'version',
  must: 'GET /v2/ is answered with 200.',
  why: 'podman, skopeo, CRI-O, crane and cosign ask for it before anything else and give up at any other answer but 401; Docker asks and goes on. A folder without an index is 403 or 404 on most hosts.',
  judge({ version: answer, image }) {
    if (answer === undefined) return skipped('there is no connection')
    if (answer.status === 200) return passed('/v2/ is 200')
    const challenge = answer.headers['www-authenticate']
    if (answer.status === 401 && challenge !== undefined) {
      if (image?.tag.get.status === 200) return passed('/v2/ asks who is there, and is satisfied with an answer')
      return trouble({
        text: 'the registry is private, and nothing here logs in to it',
        request: answer.request,
        seen: `401, WWW-Authenticate: ${challenge}`,
        needed: '200, or a login: docker login, --authfile FILE',
        clients: means('caveat', 'needs a login'),
      })
    }
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
