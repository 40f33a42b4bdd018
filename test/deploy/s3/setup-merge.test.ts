import { describe, expect, test } from 'vitest'
import { type BucketPart, type Document, documentOf } from '../../../src/deploy/s3/setup-documents.ts'
import { type Merged, mergeDocument } from '../../../src/deploy/s3/setup-merge.ts'

const OTHER = {
  Sid: 'Backup',
  Effect: 'Allow',
  Principal: { AWS: 'arn:aws:iam::1:root' },
  Action: 's3:*',
  Resource: '*',
}

describe('a policy', () => {
  const wanted = documentOf('policy', { bucket: 'bucket' })
  const statements = wanted['Statement'] as readonly Document[]

  test('lets anyone read v2/ and the version check, and nothing else', () => {
    expect(statements).toEqual([
      {
        Sid: 'RegistrishRead',
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: ['arn:aws:s3:::bucket/v2/*', 'arn:aws:s3:::bucket/v2/'],
      },
      {
        Sid: 'RegistrishList',
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:ListBucket',
        Resource: 'arn:aws:s3:::bucket',
      },
    ])
  })

  test('of others is kept, before ours', () => {
    const found = { Version: '2012-10-17', Id: 'theirs', Statement: [OTHER] }
    expect(changed('policy', found)).toEqual({ ...found, Statement: [OTHER, ...statements] })
  })

  test('with one statement that is no list is kept too', () => {
    expect(changed('policy', { Version: '2012-10-17', Statement: OTHER })).toMatchObject({
      Statement: [OTHER, ...statements],
    })
  })

  test('of ours that was changed is put right', () => {
    const [read, list] = statements
    const found = { ...wanted, Statement: [{ ...read, Resource: 'arn:aws:s3:::bucket/*' }, OTHER, list] }
    expect(changed('policy', found)).toEqual({ ...wanted, Statement: [OTHER, read, list] })
  })

  test('is the same in the spelling that MinIO gives back', () => {
    const found = {
      ...wanted,
      Statement: statements.map(statement => ({
        ...statement,
        Principal: { AWS: ['*'] },
        Action: [statement['Action']],
        Resource: [statement['Resource']].flat().toReversed(),
      })),
    }
    expect(mergeDocument('policy', found, wanted).type).toBe('same')
  })

  test.each([
    [{ Effect: 'Deny' }, /Backup denies something/],
    [{ Principal: '*' }, /Backup lets anyone read more than the registry/],
    [
      { Principal: { AWS: ['*'] }, Action: ['s3:Get*'], Resource: ['arn:aws:s3:::bucket/*'] },
      /Backup lets anyone read more than the registry/,
    ],
    [{ Sid: undefined, Principal: '*' }, /one of its statements lets anyone/],
  ])('is told of what others say: %o', (statement, note) => {
    const found = { ...wanted, Statement: [...statements, { ...OTHER, ...statement }] }
    expect(mergeDocument('policy', found, wanted)).toEqual({ type: 'same', notes: [expect.stringMatching(note)] })
  })

  test.each([
    [{ Principal: '*', Action: 's3:PutObject' }],
    [{ Principal: '*', Resource: 'arn:aws:s3:::bucket/public/*' }],
    [{}],
  ])('is not told of what does not matter: %o', statement => {
    const found = { ...wanted, Statement: [...statements, { ...OTHER, ...statement }] }
    expect(mergeDocument('policy', found, wanted)).toEqual({ type: 'same', notes: [] })
  })
})

describe('a public access block', () => {
  test('is opened for policies only', () => {
    const found = {
      BlockPublicAcls: true,
      IgnorePublicAcls: false,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    }
    expect(changed('public-access', found)).toEqual({
      ...found,
      BlockPublicPolicy: false,
      RestrictPublicBuckets: false,
    })
  })

  test.each([undefined, { BlockPublicAcls: true }, { BlockPublicPolicy: false, RestrictPublicBuckets: false }])(
    'that blocks no policy stays: %o',
    found => {
      expect(merge('public-access', found)).toEqual({ type: 'same' })
    },
  )
})

describe('CORS rules', () => {
  const [ours] = documentOf('cors', { bucket: 'bucket' })['CORSRules'] as readonly Document[]
  const theirs = { AllowedMethods: ['PUT'], AllowedOrigins: ['https://example.com'] }

  test('of others are kept', () => {
    expect(changed('cors', { CORSRules: [theirs] })).toEqual({ CORSRules: [theirs, ours] })
  })

  test('of ours are put right', () => {
    expect(changed('cors', { CORSRules: [{ ...ours, MaxAgeSeconds: 1 }, theirs] })).toEqual({
      CORSRules: [theirs, ours],
    })
  })

  test('are the same with what the SDK leaves undefined', () => {
    expect(merge('cors', { CORSRules: [theirs, { ...ours, Extra: undefined }] })).toEqual({ type: 'same', notes: [] })
  })
})

describe('CORS rules that hide ours', () => {
  const [ours] = documentOf('cors', { bucket: 'bucket' })['CORSRules'] as readonly Document[]
  const anyone = { ID: 'web', AllowedMethods: ['GET'], AllowedOrigins: ['*'] }

  test.each([
    [anyone, /^its rule "web" stands before ours .* hides Content-Length, .*, Docker-Content-Digest from them; add/],
    [{ ...anyone, ID: undefined, AllowedMethods: ['PUT', 'HEAD'] }, /^one of its rules stands before ours/],
    [{ ...anyone, AllowedOrigins: ['https://example.com', 'https://*'] }, /before ours/],
    [
      { ...anyone, ExposeHeaders: ['etag', 'content-length', 'Accept-Ranges', 'Content-Range'] },
      /hides Docker-Content-Digest from them/,
    ],
  ])('are told: %o', (rule, note) => {
    const told = [expect.stringMatching(note)]
    expect(merge('cors', { CORSRules: [rule] })).toMatchObject({ type: 'change', notes: told })
    expect(merge('cors', { CORSRules: [rule, ours] })).toEqual({ type: 'same', notes: told })
    expect(merge('cors', { CORSRules: [ours, rule] })).toEqual({ type: 'same', notes: [] })
  })

  test.each([
    { ...anyone, AllowedMethods: ['PUT'] },
    { ...anyone, AllowedOrigins: ['https://example.com'] },
    { ...anyone, ExposeHeaders: ours?.['ExposeHeaders'] },
    { ...anyone, ExposeHeaders: ['*'] },
  ])('are not those that do not: %o', rule => {
    expect(merge('cors', { CORSRules: [rule, ours] })).toEqual({ type: 'same', notes: [] })
  })
})

describe('lifecycle rules', () => {
  const [ours] = documentOf('lifecycle', { bucket: 'bucket' })['Rules'] as readonly Document[]
  const theirs = { ID: 'logs', Status: 'Enabled', Filter: { Prefix: 'logs/' }, Expiration: { Days: 1 } }
  const aborts = { ID: 'x', Status: 'Enabled', Filter: {}, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } }

  test('of others are kept, with what stands beside them', () => {
    const found = { Rules: [theirs], TransitionDefaultMinimumObjectSize: 'varies_by_storage_class' }
    expect(changed('lifecycle', found)).toEqual({ ...found, Rules: [theirs, ours] })
  })

  test.each([aborts, { ...aborts, Filter: undefined, Prefix: '' }, { ...aborts, Filter: { Prefix: '' } }])(
    'that abort uploads will do: %o',
    rule => {
      expect(merge('lifecycle', { Rules: [theirs, rule] })).toEqual({ type: 'same', notes: [] })
    },
  )

  test.each([
    { ...aborts, Status: 'Disabled' },
    { ...aborts, Filter: { Prefix: 'x/' } },
    { ...aborts, Filter: { Tag: { Key: 'a', Value: 'b' } } },
    { ...aborts, Filter: undefined, Prefix: 'x/' },
    { ...aborts, AbortIncompleteMultipartUpload: undefined },
  ])('that do so for a part will not: %o', rule => {
    expect(changed('lifecycle', { Rules: [rule] })).toEqual({ Rules: [rule, ours] })
  })
})

describe('lifecycle rules that take the registry away', () => {
  const [ours] = documentOf('lifecycle', { bucket: 'bucket' })['Rules'] as readonly Document[]
  const expires = { ID: 'old', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 30 } }

  test.each<readonly [Document, RegExp]>([
    [
      expires,
      /^its rule "old" deletes what lies under v2\/ when it is 30 days old: .*; have that rule hold for another/,
    ],
    [{ ...expires, ID: undefined, Filter: {} }, /^one of its rules deletes/],
    [{ ...expires, Filter: undefined, Prefix: 'v' }, /under v2\/ /],
    [{ ...expires, Filter: { Prefix: 'v2/app/' } }, /under v2\/app\/ /],
    [{ ...expires, Filter: { And: { Prefix: 'v2/', ObjectSizeGreaterThan: 1 } } }, /under v2\/ /],
    [{ ...expires, Expiration: { Date: new Date(0) } }, /deletes what lies under v2\/ from a date on/],
    ...['GLACIER', 'DEEP_ARCHIVE'].map(
      name =>
        [
          { ...expires, Expiration: undefined, Transitions: [{ Days: 7, StorageClass: name }] },
          new RegExp(`moves what lies under v2/ to ${name} when it is 7 days old: nothing there can be read`),
        ] as const,
    ),
  ])('are told: %o', (rule, note) => {
    const told = [expect.stringMatching(note)]
    expect(merge('lifecycle', { Rules: [rule] })).toMatchObject({ type: 'change', notes: told })
    expect(merge('lifecycle', { Rules: [ours, rule] })).toEqual({ type: 'same', notes: told })
  })

  test('are told of ours too, where someone has made it one', () => {
    const rule = { ...ours, Expiration: { Days: 30 } }
    expect(merge('lifecycle', { Rules: [rule] })).toEqual({ type: 'same', notes: [expect.stringMatching(/deletes/)] })
  })

  test.each([
    { ...expires, Status: 'Disabled' },
    { ...expires, Filter: { Prefix: 'logs/' } },
    { ...expires, Filter: { Tag: { Key: 'a', Value: 'b' } } },
    { ...expires, Filter: { And: { Prefix: 'v2/', Tags: [{ Key: 'a', Value: 'b' }] } } },
    { ...expires, Expiration: { ExpiredObjectDeleteMarker: true } },
    { ...expires, Expiration: undefined, NoncurrentVersionExpiration: { NoncurrentDays: 1 } },
    { ...expires, Expiration: undefined, Transitions: [{ Days: 7, StorageClass: 'GLACIER_IR' }] },
  ])('are not those that do not: %o', rule => {
    expect(merge('lifecycle', { Rules: [ours, rule] })).toEqual({ type: 'same', notes: [] })
  })
})

describe('a website', () => {
  const wanted = documentOf('website', { bucket: 'bucket' })

  test('answers with our pages', () => {
    expect(wanted).toEqual({ IndexDocument: { Suffix: 'index.json' }, ErrorDocument: { Key: 'v2/_404.json' } })
    expect(merge('website', { ...wanted, RoutingRules: undefined })).toEqual({ type: 'same' })
  })

  test.each([
    { IndexDocument: { Suffix: 'index.html' } },
    { ...wanted, ErrorDocument: { Key: '404.html' } },
    { ...wanted, RoutingRules: [{ Redirect: { HostName: 'example.com' } }] },
    { RedirectAllRequestsTo: { HostName: 'example.com' } },
  ])('of others is refused: %o', found => {
    expect(merge('website', found)).toMatchObject({ type: 'refuse', hint: expect.stringContaining('leave it') })
  })
})

describe('an access list', () => {
  const owner = { Grantee: { ID: 'me', Type: 'CanonicalUser' }, Permission: 'FULL_CONTROL' }
  const anyone = {
    Grantee: { URI: 'http://acs.amazonaws.com/groups/global/AllUsers', Type: 'Group' },
    Permission: 'READ',
  }

  test('that is private becomes public', () => {
    expect(changed('acl', { Grants: [owner] })).toEqual({ ACL: 'public-read' })
  })

  test('that is public stays', () => {
    expect(merge('acl', { Grants: [owner, anyone] })).toEqual({ type: 'same' })
  })

  test('with grants of its own is refused', () => {
    const log = { Grantee: { URI: 'http://acs.amazonaws.com/groups/s3/LogDelivery' }, Permission: 'WRITE' }
    expect(merge('acl', { Grants: [owner, log] })).toMatchObject({ type: 'refuse' })
  })
})

function merge(part: BucketPart, found: Document | undefined): Merged {
  return mergeDocument(part, found, documentOf(part, { bucket: 'bucket' }))
}

function changed(part: BucketPart, found: Document): Document {
  const merged = merge(part, found)
  if (merged.type !== 'change') throw new Error(`${part} is ${merged.type}`)
  return merged.document
}
