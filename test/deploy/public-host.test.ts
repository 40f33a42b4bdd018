import { describe, expect, test } from 'vitest'
import { parsePublicHost } from '../../src/deploy/public-host.ts'
import { isRegistrishError, type RegistrishError } from '../../src/errors.ts'

describe('where users pull from', () => {
  test.each([
    ['registry.example.com', 'registry.example.com', 'https'],
    ['Registry.Example.COM', 'registry.example.com', 'https'],
    ['registry.example.com:8443', 'registry.example.com:8443', 'https'],
    ['registry.example.com/', 'registry.example.com', 'https'],
    ['https://registry.example.com', 'registry.example.com', 'https'],
    ['HTTPS://registry.example.com:443/', 'registry.example.com', 'https'],
    ['http://registry.example.com', 'registry.example.com', 'http'],
    ['http://registry.example.com:8080', 'registry.example.com:8080', 'http'],
    ['localhost', 'localhost', 'https'],
    ['localhost:5000', 'localhost:5000', 'https'],
    ['registry:5000', 'registry:5000', 'https'],
    // Without its port Docker would take it for a user of Docker Hub, though it is the usual one.
    ['registry:443', 'registry:443', 'https'],
    ['https://registry:443', 'registry:443', 'https'],
    ['http://registry:80', 'registry:80', 'http'],
    ['127.0.0.1:5000', '127.0.0.1:5000', 'https'],
    ['[::1]:5000', '[::1]:5000', 'https'],
    ['bücher.example', 'xn--bcher-kva.example', 'https'],
  ])('%s', (text, host, scheme) => {
    expect(parsePublicHost(text)).toEqual({ host, origin: `${scheme}://${host}`, plainHttp: scheme === 'http' })
  })

  test('may be said to speak plain HTTP', () => {
    const host = { host: 'a.example', origin: 'http://a.example', plainHttp: true }
    expect(parsePublicHost('a.example', { plainHttp: true })).toEqual(host)
    expect(parsePublicHost('http://a.example', { plainHttp: true })).toEqual(host)
    expect(failureOf(() => parsePublicHost('https://a.example', { plainHttp: true })).message).toBe(
      '"https://a.example" says HTTPS, --plain-http says HTTP',
    )
  })
})

describe('what no client could pull from is refused, with the way out', () => {
  test.each([
    ['a.example/registry', 'has a path', '--url a.example'],
    ['a.example/app@sha256:abc', '"a.example/app@sha256:abc" has a path', '--url a.example'],
    ['https://a.example/v2/', 'has a path', '--url a.example'],
    ['a.example?x=1', 'has a path', '--url a.example'],
    ['https://a.example/#x', 'has a path', '--url a.example'],
    ['registry', 'docker takes registry/image for an image of Docker Hub', '--url registry:443'],
    ['https://registry', 'docker takes registry/image for an image of Docker Hub', '--url registry:443'],
    ['docker.io', '"docker.io" is no host', '--url registry.example.com'],
    ['s3://bucket', '"s3://bucket" is no address of a registry', '--url registry.example.com'],
    ['ftp://a.example', 'is no address of a registry', '--url registry.example.com'],
    ['a b.example', 'is no host', '--url registry.example.com'],
    ['under_score.example', 'is no host', '--url registry.example.com'],
    ['a.example:port', 'is no host', '--url registry.example.com'],
    ['https://', 'is no host', '--url registry.example.com'],
  ])('%s', (text, message, hint) => {
    const error = failureOf(() => parsePublicHost(text))
    expect(error).toMatchObject({ code: 'usage' })
    expect(error.message).toContain(message)
    expect(error.hint).toContain(hint)
  })

  test('a password, without repeating it', () => {
    const error = failureOf(() => parsePublicHost('https://user:secret@a.example'))
    expect(error.message).toBe(
      '--url holds a user or a password for a.example: clients write no such thing before an image',
    )
    expect(`${error.message}${error.hint}`).not.toContain('secret')
  })

  test.each([
    ['ftp://user:secret@a.example', '"ftp://a.example" is no address of a registry'],
    ['https://user:secret@a b', '"https://a b" is no host'],
    ['user:secret@a b', '"a b" is no host'],
    ['ftp://a.example/?token=secret', '"ftp://a.example/" is no address of a registry'],
    ['https://user:sec/ret@a.example', '"https://a.example" is no host'],
  ])('nor one that stands where no host can be read: %s', (text, message) => {
    const error = failureOf(() => parsePublicHost(text))
    expect(error.message).toBe(message)
    expect(error.hint).not.toContain('secret')
  })

  test('nor where the schemes do not go together', () => {
    const error = failureOf(() => parsePublicHost('https://user:secret@a.example', { plainHttp: true }))
    expect(error.message).toBe('"https://a.example" says HTTPS, --plain-http says HTTP')
  })
})

function failureOf(work: () => unknown): RegistrishError {
  try {
    work()
  } catch (error) {
    if (isRegistrishError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
