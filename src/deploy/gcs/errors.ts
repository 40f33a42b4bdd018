import type { HttpResponse } from '../../http/client.ts'
import { isRecord } from '../../oci/descriptor.ts'
import { plain } from '../../oci/digest.ts'
import type { Refusal } from '../refusal.ts'
import type { Meaning, Words } from '../rest/errors.ts'
import { said } from '../rest/errors.ts'

/** Largest error that is read, in bytes. */
const LARGEST_ERROR = 65_536

/** Reads a refusal (Cloud Storage, "HTTP status and error codes for JSON"). */
export async function readGcsRefusal(response: HttpResponse): Promise<Refusal> {
  const { status } = response
  const retryAfter = response.header('retry-after')
  const type = plain(response.header('content-type') ?? '')
  const body = await response.text(LARGEST_ERROR).catch(() => '')
  const after = retryAfter === undefined ? {} : { retryAfter }
  const said = parseError(body)
  if (said === undefined) return { status, code: '', text: '', foreign: type, ...after }
  return { status, ...said, ...after }
}

function parseError(body: string): Pick<Refusal, 'code' | 'text'> | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (!isRecord(value) || !isRecord(value['error'])) return undefined
  const { message, errors } = value['error']
  const [first] = Array.isArray(errors) ? (errors as readonly unknown[]) : []
  const reason = isRecord(first) ? first['reason'] : undefined
  return {
    code: plain(typeof reason === 'string' ? reason : ''),
    text: plain(typeof message === 'string' ? message : ''),
  }
}

/** Whether a refusal says that an object is not there, as against its bucket. */
export function isMissing({ status, foreign, text }: Refusal): boolean {
  return status === 404 && foreign === undefined && !/bucket does not exist/i.test(text)
}

/** What Cloud Storage says, and what to do about it. */
export function gcsWords(bucket: string): Words {
  return {
    title: `gs://${bucket}`,
    astray: 'is it Cloud Storage that answers there? check --gcs-endpoint and STORAGE_EMULATOR_HOST',
    explain: refusal => (refusal.foreign === undefined ? explain(refusal, bucket) : undefined),
  }
}

function explain(refusal: Refusal, bucket: string): Meaning | undefined {
  const { status, code, text } = refusal
  if (status === 401) {
    return {
      code: 'unauthorized',
      text: `it does not accept the credentials (${said(refusal)})`,
      hint: 'log in anew: gcloud auth application-default login, or name a key or workload identity with GOOGLE_APPLICATION_CREDENTIALS',
    }
  }
  if (status === 403) return denied(refusal, bucket)
  if (status === 404) {
    return {
      code: 'not-found',
      text: `there is no such bucket (${said(refusal)})`,
      hint: `check its name, or make it: registrish setup --gcs ${bucket} prints the commands`,
    }
  }
  if (status === 429) {
    return {
      code: 'rate-limited',
      hint: 'run the same command again later, or lower --jobs: one object may be written about once a second',
    }
  }
  // The service compares what came with md5Hash or X-Goog-Hash, and writes nothing.
  if (status === 400 && /md5|crc32c|checksum|hash/i.test(text)) {
    return {
      code: 'bad-answer',
      text: `the bytes were changed on the way (${said(refusal)})`,
      hint: 'run the same command again; if it stays so, a proxy between here and there changes what is sent',
    }
  }
  if (status === 412 && code === 'orgPolicyConstraintFailed') return forbidden(refusal)
  return undefined
}

function denied(refusal: Refusal, bucket: string): Meaning {
  const { code, text } = refusal
  if (/billing|accountDisabled/i.test(code) || /billing/i.test(text)) {
    return {
      code: 'unauthorized',
      text: `access is denied (${said(refusal)})`,
      hint: "the project of the bucket has no billing account that is open: see the project's billing page",
    }
  }
  if (/retention|hold/i.test(code) || /retention policy|hold/i.test(text)) {
    return {
      code: 'conflict',
      text: `the object may not be replaced or deleted (${said(refusal)})`,
      hint: 'the bucket has a retention policy or holds: a registry moves tags, so it needs a bucket without',
    }
  }
  if (/organization ?policy|constraint/i.test(text) || code === 'orgPolicyConstraintFailed') return forbidden(refusal)
  return {
    code: 'unauthorized',
    text: `access is denied (${said(refusal)})`,
    hint: `who deploys needs roles/storage.objectUser on the bucket: gcloud storage buckets add-iam-policy-binding gs://${bucket} --member=MEMBER --role=roles/storage.objectUser`,
  }
}

function forbidden(refusal: Refusal): Meaning {
  return {
    code: 'unauthorized',
    text: `a policy of the organisation forbids it (${said(refusal)})`,
    hint: 'who administers the organisation can let go of that constraint for this project',
  }
}
