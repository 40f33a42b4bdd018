import { describe, expect, test } from 'vitest'
import { bareEtag, parseListing } from '../../../src/deploy/s3/list-xml.ts'

const HEAD =
  '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'

/** A listing as AWS writes it. */
function listing(inner: string, rest = '<IsTruncated>false</IsTruncated>'): string {
  return `${HEAD}<Name>bucket</Name><Prefix/><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys>${rest}${inner}</ListBucketResult>`
}

function contents(key: string, etag = '&quot;00ff&quot;', size = '12'): string {
  return `<Contents><Key>${key}</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified><ETag>${etag}</ETag><Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`
}

describe('a listing', () => {
  test('gives keys, sizes, etags and prefixes', () => {
    const common =
      '<CommonPrefixes><Prefix>v2/b/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>v2/c/</Prefix></CommonPrefixes>'
    expect(parseListing(listing(contents('v2/a') + contents('v2/d', '"x-2"', '0') + common))).toEqual({
      objects: [
        { key: 'v2/a', size: 12, etag: '00ff' },
        { key: 'v2/d', size: 0, etag: 'x-2' },
      ],
      prefixes: ['v2/b/', 'v2/c/'],
    })
  })

  test('may be indented, hold nothing, and name a prefix with the word', () => {
    const page = `${HEAD}\n  <Prefix>Contents</Prefix>\n  <IsTruncated>false</IsTruncated>\n</ListBucketResult>\n`
    expect(parseListing(page)).toEqual({ objects: [], prefixes: [] })
  })

  test('goes on where it says so', () => {
    const rest = '<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b==</NextContinuationToken>'
    expect(parseListing(listing('', rest))).toEqual({ objects: [], prefixes: [], next: 'a&b==' })
  })

  test('is text, in which XML hides five characters and numbers any', () => {
    const page = parseListing(listing(contents('&lt;&gt;&amp;&apos;&quot;&#10;&#x1F600;é :+%2F')))
    expect(page?.objects[0]?.key).toBe('<>&\'"\n😀é :+%2F')
  })

  test('may say that its keys are not encoded once more, as versitygw does', () => {
    const rest = '<EncodingType></EncodingType><IsTruncated>false</IsTruncated>'
    expect(parseListing(listing(contents('v2/a'), rest))?.objects).toHaveLength(1)
  })

  test('of whose objects each has an owner is read as well', () => {
    const owned = contents('v2/a').replace(
      '</Contents>',
      '<Owner><ID>1</ID><DisplayName>Key</DisplayName></Owner></Contents>',
    )
    expect(parseListing(listing(owned))?.objects).toHaveLength(1)
  })

  test.each([
    ['a page for people', '<html><body>Log in</body></html>'],
    ['nothing', ''],
    ['another answer of S3', '<?xml version="1.0"?><ListAllMyBucketsResult></ListAllMyBucketsResult>'],
    ['one that is cut off', listing(contents('v2/a')).slice(0, -30)],
    ['one with something behind it', `${listing('')}<more/>`],
    ['one that does not say whether it is whole', listing('', '')],
    ['one that goes on and does not say where', listing('', '<IsTruncated>true</IsTruncated>')],
    ['keys encoded once more', listing('', '<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>')],
    ['character data', listing(contents('<![CDATA[v2/a]]>'))],
    ['a type of document', listing('').replace('<ListBucketResult', '<!DOCTYPE x><ListBucketResult')],
    ['a comment', listing('<!-- -->')],
    ['an entity of its own', listing(contents('&eacute;'))],
    ['a bare ampersand', listing(contents('a&b'))],
    ['a number that is no character', listing(contents('&#9999999;'))],
    ['an object without a key', listing(contents('v2/a').replace(/<Key>.*<\/Key>/, ''))],
    ['an object without a size', listing(contents('v2/a', 'x', ''))],
    ['a prefix without a name', listing('<CommonPrefixes></CommonPrefixes>')],
    ['text between the elements', listing('text')],
  ])('is left to others where it is %s', (_, xml) => {
    expect(parseListing(xml)).toBeUndefined()
  })

  test('of a hostile store is read in no time', () => {
    const begun = performance.now()
    expect(parseListing(HEAD + '<Contents>'.repeat(200_000))).toBeUndefined()
    expect(parseListing(HEAD + '<Contents><Key>'.repeat(200_000))).toBeUndefined()
    expect(performance.now() - begun).toBeLessThan(20_000)
  })
})

test.each([
  ['"abc"', 'abc'],
  ['abc', 'abc'],
  ['W/"abc-1"', 'abc-1'],
])('the etag %s without its quotes is %s', (given, bare) => {
  expect(bareEtag(given)).toBe(bare)
})
