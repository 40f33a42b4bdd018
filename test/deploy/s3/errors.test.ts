import { describe, expect, test } from 'vitest'
import { type Refusal, Refused } from '../../../src/deploy/refusal.ts'
import { storeError } from '../../../src/deploy/s3/errors.ts'
import { parseRefusal, refusalOf } from '../../../src/deploy/s3/refusal.ts'
import { type ErrorCode, RegistrishError } from '../../../src/errors.ts'

const ABOUT = { bucket: 'bucket', doing: 'write v2/a', action: 's3:PutObject' }

function translate(refusal: Partial<Refusal>): RegistrishError {
  return storeError(new Refused({ status: 400, code: '', text: '', ...refusal }), ABOUT)
}

describe('a refusal is translated, with the way out', () => {
  test.each<readonly [Partial<Refusal>, ErrorCode, RegExp]>([
    [{ status: 404, code: 'NoSuchBucket' }, 'not-found', /registrish setup --s3 bucket --apply/],
    [{ status: 403, code: 'AccessDenied' }, 'unauthorized', /s3:PutObject/],
    [{ status: 403 }, 'unauthorized', /s3:PutObject/],
    [{ status: 403, code: 'InvalidAccessKeyId' }, 'unauthorized', /AWS_ACCESS_KEY_ID/],
    [{ status: 403, code: 'SignatureDoesNotMatch' }, 'unauthorized', /AWS_SECRET_ACCESS_KEY/],
    [{ status: 400, code: 'ExpiredToken' }, 'unauthorized', /get new ones/],
    [{ status: 403, code: 'RequestTimeTooSkewed' }, 'unauthorized', /clock/],
    [{ status: 400, code: 'AccessControlListNotSupported' }, 'unsupported', /leave --s3-acl out.*setup --s3 bucket/],
    [{ status: 301, code: 'PermanentRedirect', region: 'eu-west-1' }, 'bad-answer', /--s3-region eu-west-1/],
    [{ status: 400, code: 'AuthorizationHeaderMalformed' }, 'bad-answer', /--s3-region/],
    [{ status: 301 }, 'bad-answer', /--s3-region/],
    [{ status: 302, foreign: 'text/html' }, 'bad-answer', /login page/],
    [{ status: 403, foreign: 'text/html' }, 'unauthorized', /login page/],
    [{ status: 400, code: 'EntityTooLarge' }, 'limit', /size/],
    [{ status: 413, foreign: '' }, 'limit', /size/],
    [{ status: 403, code: 'QuotaExceeded' }, 'no-space', /quota/],
    [{ status: 507 }, 'no-space', /quota/],
    [{ status: 501, code: 'NotImplemented' }, 'unsupported', /does not know/],
    [{ status: 503, code: 'SlowDown' }, 'rate-limited', /--jobs/],
    [{ status: 500, code: 'InternalError' }, 'unreachable', /again/],
    [{ status: 502, foreign: 'text/html' }, 'unreachable', /again/],
    [{ status: 400, code: 'MalformedXML' }, 'bad-answer', /--s3-endpoint/],
  ])('%j: %s', (refusal, code, hint) => {
    const error = translate({ text: 'said so', ...refusal })
    expect(error).toMatchObject({ code, side: 'target', hint: expect.stringMatching(hint) })
    expect(error.message).toContain('cannot write v2/a in s3://bucket: ')
    expect(refusalOf(error)?.status).toBe(refusal.status)
  })

  test.each(['eu-west-1; rm -rf ~', 'EU', '$(id)', ''])('without a region that is no name of one: %s', region => {
    const parts = { status: 301, header: (): string => region }
    const parsed = parseRefusal(`<Error><Code>PermanentRedirect</Code><Region>${region}</Region></Error>`, parts)
    const ofSdk = Object.assign(new Error('x'), { $metadata: { httpStatusCode: 301 }, Region: region })
    for (const refusal of [parsed, refusalOf(ofSdk)]) {
      expect(refusal).toMatchObject({ status: 301 })
      expect(refusal).not.toHaveProperty('region')
    }
    expect(translate(parsed).hint).toMatch(/--s3-region REGION$/)
  })

  test.each(['XAmzContentSHA256Mismatch', 'BadDigest'])('of other bytes as the fault of the source: %s', code => {
    const hint = expect.stringContaining('registrish verify --repair')
    expect(translate({ code })).toMatchObject({ code: 'digest-mismatch', side: 'source', hint })
  })

  test('in the words of the store where it has any', () => {
    expect(translate({ code: 'Odd', text: 'very' }).message).toMatch(/: Odd: very$/)
    expect(translate({ status: 418, foreign: 'text/html' }).message).toMatch(
      /not S3 answers 418 I'm a Teapot \(text\/html\)$/,
    )
  })
})

describe('what is no refusal', () => {
  test('is ours already, where it is about a file', () => {
    const error = new RegistrishError('size-mismatch', 'file', { side: 'source' })
    expect(storeError(error, ABOUT)).toBe(error)
  })

  test.each([
    ['ENOTFOUND', /--s3-endpoint and --s3-region/],
    ['ECONNREFUSED', /is the store running.*--s3-endpoint.*run the same command again/],
    ['ECONNRESET', /run the same command again/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /with http:\/\//],
  ])('is a network that failed: %s', (code, hint) => {
    const cause = Object.assign(new Error(`${code} wrong version number`), { code })
    const error = new RegistrishError('unreachable', 'no', { side: 'source', hint: 'add --plain-http', cause })
    expect(storeError(error, ABOUT)).toMatchObject({ side: 'target', hint: expect.stringMatching(hint), cause })
  })

  test('is an answer that the SDK cannot read', () => {
    const error = Object.assign(new Error('unexpected\nmore'), { $metadata: { httpStatusCode: 200 } })
    expect(storeError(error, ABOUT)).toMatchObject({
      code: 'bad-answer',
      message: expect.stringMatching(/unexpected$/),
    })
  })
})

test('a refusal is read from XML, fit to be printed', () => {
  const xml = '<?xml version="1.0"?><Error><Code>Odd</Code><Message>a\u001b[31mb</Message><Region>eu-1</Region></Error>'
  const header = (name: string): string | undefined => (name === 'retry-after' ? '3' : undefined)
  expect(parseRefusal(xml, { status: 400, header })).toEqual({
    status: 400,
    code: 'Odd',
    text: 'a\ufffd[31mb',
    region: 'eu-1',
    retryAfter: '3',
  })
})
