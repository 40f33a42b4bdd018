import { type ErrorCode, RegistrishError } from '../errors.ts'
import { isRecord } from '../oci/descriptor.ts'

/** Why skopeo could not copy, as far as that decides what is tried next. */
type SkopeoReason =
  /** Digests cannot be kept: the layers would be compressed anew, or a manifest converted. */
  | 'digest'
  /** Only the index would have to be converted; skopeo's `dir:` takes it as it is. */
  | 'list-type'
  /** One of the images of an index could not be copied. */
  | 'list'
  | 'other'

/** What skopeo's last words mean. */
export interface SkopeoFailure {
  readonly reason: SkopeoReason
  readonly error: RegistrishError
}

interface Meaning {
  readonly pattern: RegExp
  readonly code: ErrorCode
  readonly hint?: string
}

const BUILT_IN = 'leave out --via skopeo: the built-in client keeps every digest'

/** Texts of skopeo 1.4 to 1.20 and their meaning; the first that fits counts. */
const MEANINGS: readonly Meaning[] = [
  {
    pattern: /received a manifest list instead of a manifest/i,
    code: 'unsupported',
    hint: `skopeo does not copy an index inside an index: ${BUILT_IN}`,
  },
  {
    pattern: /preserve digests|unsupported MIME type|unsupported schema version/i,
    code: 'unsupported',
    hint: BUILT_IN,
  },
  {
    pattern: /digest sha512:/,
    code: 'unsupported',
    hint: `this release of skopeo does not take sha512 digests: ${BUILT_IN}`,
  },
  { pattern: /no space left on device|disk quota exceeded/i, code: 'no-space', hint: 'free some space and try again' },
  {
    pattern: /toomanyrequests|too many requests|rate limit/i,
    code: 'rate-limited',
    hint: 'log in (docker login, podman login) or try again later',
  },
  {
    pattern: /x509:|certificate/i,
    code: 'unreachable',
    hint: 'name the authority that signed the certificate with --ca-file',
  },
  {
    pattern: /server gave HTTP response to HTTPS client/i,
    code: 'unreachable',
    hint: 'the registry speaks plain HTTP: add --plain-http',
  },
  {
    pattern: /cannot connect to the docker daemon/i,
    code: 'unreachable',
    hint: 'start the engine, or set DOCKER_HOST',
  },
  { pattern: /i\/o timeout|deadline exceeded|handshake timeout/i, code: 'timeout' },
  {
    pattern:
      /connection refused|no such host|connection reset|network is unreachable|no route to host|unexpected HTTP status: 5|unexpected EOF/i,
    code: 'unreachable',
  },
  {
    pattern: /trust policy|rejected by policy|source image rejected/i,
    code: 'tool-failed',
    hint: 'skopeo obeys /etc/containers/policy.json (package containers-common), see containers-policy.json(5)',
  },
  {
    pattern:
      /unauthorized|authentication required|access to the resource is denied|: denied|403 \(forbidden\)|invalid username\/password/i,
    code: 'unauthorized',
    hint: 'log in (docker login, podman login), or name a credentials file with --authfile',
  },
  {
    pattern:
      /manifest unknown|name unknown|not found|StatusCode: 404|no such file or directory|file does not exist|does not resolve to an image|no descriptor found|no such image|reference does not exist/i,
    code: 'not-found',
  },
  { pattern: /invalid reference format|invalid image name|unknown transport/i, code: 'name-invalid' },
]

/** Turns what skopeo wrote to its standard error into an error that says `doing` failed, and why. */
export function explainSkopeo(stderr: string, doing: string, cause?: unknown): SkopeoFailure {
  const text = lastWords(stderr)
  const meaning = MEANINGS.find(({ pattern }) => pattern.test(text))
  const reason = reasonOf(text)
  // An index may name what is absent or no image; the index itself was found.
  const partly = reason === 'list' && meaning?.code === 'not-found'
  const hint = partly ? `skopeo takes every entry of an index for an image that is there; ${BUILT_IN}` : meaning?.hint
  const error = new RegistrishError(partly ? 'unsupported' : (meaning?.code ?? 'tool-failed'), `${doing}: ${text}`, {
    side: 'source',
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  })
  return { reason, error }
}

function reasonOf(text: string): SkopeoReason {
  if (/manifest list must be converted/i.test(text)) return 'list-type'
  if (/preserve digests/i.test(text)) return 'digest'
  return /manifest list|image list/i.test(text) && !/instead of a manifest/i.test(text) ? 'list' : 'other'
}

/** The message of the last line that says something: of `level=fatal` lines their `msg`, without warnings and debug output. */
function lastWords(stderr: string): string {
  const lines = stderr
    .split('\n')
    .filter(line => line.trim() !== '' && !/level=(?:warning|info|debug)|^WARN/.test(line))
  const line = lines.at(-1)?.trim() ?? 'it said nothing'
  const quoted = /\bmsg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1]
  const text = quoted === undefined ? line.replace(/^FATA\[\d+\]\s*/, '') : unquote(quoted)
  return text.length > 600 ? `${text.slice(0, 600)}…` : text
}

/** Go's quoting is JSON's for all that skopeo prints but `\x..`, which is left as it is. */
function unquote(quoted: string): string {
  try {
    const value: unknown = JSON.parse(`{"text":${quoted}}`)
    return isRecord(value) && typeof value['text'] === 'string' ? value['text'] : quoted
  } catch {
    return quoted.slice(1, -1)
  }
}
