import { describe, expect, it } from 'vitest'
import { RegistrishError } from '../../src/errors.ts'
import { asDigest, digestOf, parseDigest } from '../../src/oci/digest.ts'
import { compileGlob } from '../../src/oci/glob.ts'
import { parseRepositoryName, parseTag, parseTreeRepository } from '../../src/oci/name.ts'
import { formatPlatform, matchesPlatform, parsePlatform } from '../../src/oci/platform.ts'
import { defaultTreeName, formatReference, isLoopback, parseReference } from '../../src/oci/reference.ts'
import { fallbackTag, formatReferrers, isFallbackTag, taggedDigest } from '../../src/oci/referrers.ts'

const HEX = 'a'.repeat(64)

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof RegistrishError) return error.code
    throw error
  }
  return 'no error'
}

describe('digests', () => {
  it('accepts sha256 and sha512 of the exact length in lower case, nothing else', () => {
    expect(parseDigest(`sha256:${HEX}`)).toBe(`sha256:${HEX}`)
    expect(parseDigest(`sha512:${HEX}${HEX}`)).toBe(`sha512:${HEX}${HEX}`)
    for (const bad of [
      '',
      'sha256:',
      `sha256:${HEX}a`,
      `sha256:${HEX.toUpperCase()}`,
      `sha512:${HEX}`,
      `md5:${HEX}`,
      `sha256:${HEX}\n`,
      `../${HEX}`,
    ]) {
      expect(asDigest(bad), bad).toBeUndefined()
      expect(
        codeOf(() => parseDigest(bad)),
        bad,
      ).toBe('name-invalid')
    }
  })

  it('hashes bytes', () => {
    expect(digestOf('')).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })
})

describe('references', () => {
  it.each([
    ['alpine', 'docker.io/library/alpine', 'alpine'],
    ['docker.io/alpine:3.20', 'docker.io/library/alpine:3.20', 'alpine'],
    ['index.docker.io/library/alpine', 'docker.io/library/alpine', 'alpine'],
    ['grafana/grafana:1', 'docker.io/grafana/grafana:1', 'grafana/grafana'],
    ['localhost/app', 'localhost/app', 'app'],
    ['localhost:5001/app:007', 'localhost:5001/app:007', 'app'],
    ['GHCR.io/o/app', 'ghcr.io/o/app', 'o/app'],
    [`ghcr.io/o/app:1@sha256:${HEX}`, `ghcr.io/o/app:1@sha256:${HEX}`, 'o/app'],
    ['[::1]:5000/a/b', '[::1]:5000/a/b', 'a/b'],
    ['ghcr.io/library/x', 'ghcr.io/library/x', 'library/x'],
  ])('%s is %s, in a tree %s', (text, full, name) => {
    const reference = parseReference(text)
    expect(formatReference(reference)).toBe(full)
    expect(defaultTreeName(reference)).toBe(name)
  })

  it.each([
    '',
    'Alpine',
    'a//b',
    'ghcr.io/',
    'ghcr.io/A',
    'a:',
    'a:b:c',
    'a@sha256:1',
    '../etc',
    'ghcr.io:x/a',
    '-a/b',
    'a b',
    `a:${'x'.repeat(129)}`,
  ])('refuses %j', text => {
    expect(codeOf(() => parseReference(text))).toBe('name-invalid')
  })

  it('names what the user wrote when it is no name', () => {
    expect(() => parseReference('ALPINE')).toThrow('"ALPINE"')
  })

  it('knows what is on this machine', () => {
    for (const host of ['localhost', 'localhost:5000', 'x.localhost', '127.0.0.1:80', '127.1.2.3', '[::1]:5000'])
      expect(isLoopback(host), host).toBe(true)
    for (const host of ['ghcr.io', '10.0.0.1', 'localhost.evil.com', '127.0.0.1.evil.com', '1127.0.0.1'])
      expect(isLoopback(host), host).toBe(false)
  })
})

describe('names in a tree', () => {
  it.each(['manifests', 'a/blobs', 'tags/x', 'a/referrers/b', 'index.json'])(
    'refuses %s, whose part is a folder of the tree',
    name => {
      expect(parseRepositoryName(name)).toBe(name)
      expect(codeOf(() => parseTreeRepository(name))).toBe('name-invalid')
    },
  )

  it('takes what the grammar allows', () => {
    for (const name of ['we.ird/x__y-z', 'a/b/c/d', 'v2', 'a--b']) expect(parseTreeRepository(name)).toBe(name)
    for (const bad of ['_catalog', 'a/_x', 'A', 'a_', '.a', 'a/../b', 'a___b', 'x'.repeat(256)])
      expect(
        codeOf(() => parseTreeRepository(bad)),
        bad,
      ).toBe('name-invalid')
  })

  it('suggests the lower-case name', () => {
    try {
      parseRepositoryName('O/App')
      expect.unreachable()
    } catch (error) {
      expect((error as RegistrishError).hint).toContain('o/app')
    }
  })

  it('takes odd tags and refuses what is none', () => {
    for (const tag of ['1.0.gz', 'index.html', 'RC1', '_', '007', 'x'.repeat(128)]) expect(parseTag(tag)).toBe(tag)
    for (const bad of ['', '.x', '-x', 'a b', 'a/b', 'a\n', 'ä', 'x'.repeat(129)])
      expect(
        codeOf(() => parseTag(bad)),
        bad,
      ).toBe('name-invalid')
  })
})

describe('platforms', () => {
  it('parses, formats and matches', () => {
    expect(formatPlatform(parsePlatform('linux/arm/v7'))).toBe('linux/arm/v7')
    expect(matchesPlatform({ os: 'linux', architecture: 'arm64', variant: 'v8' }, parsePlatform('linux/arm64'))).toBe(
      true,
    )
    expect(matchesPlatform({ os: 'linux', architecture: 'arm64' }, parsePlatform('linux/arm64/v8'))).toBe(true)
    expect(matchesPlatform({ os: 'linux', architecture: 'arm', variant: 'v6' }, parsePlatform('linux/arm/v7'))).toBe(
      false,
    )
    expect(
      matchesPlatform(
        { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.1' },
        parsePlatform('windows/amd64:10.0.20348'),
      ),
    ).toBe(true)
    for (const bad of ['', 'linux', 'linux/', '/amd64', 'a/b/c/d'])
      expect(
        codeOf(() => parsePlatform(bad)),
        bad,
      ).toBe('usage')
  })
})

describe('referrers', () => {
  it('names the fallback tag, of sha512 cut to 64 digits', () => {
    expect(fallbackTag(parseDigest(`sha256:${HEX}`))).toBe(`sha256-${HEX}`)
    expect(fallbackTag(parseDigest(`sha512:${HEX}${'b'.repeat(64)}`))).toBe(`sha512-${HEX}`)
    expect(isFallbackTag(`sha256-${HEX}`)).toBe(true)
    expect(isFallbackTag(`sha256-${HEX}.sig`)).toBe(false)
    expect(taggedDigest(`sha256-${HEX}.sig`)).toBe(`sha256:${HEX}`)
  })

  it('writes the same bytes for the same set in any order', () => {
    const a = { mediaType: 'x/y', digest: digestOf('a'), size: 1 }
    const b = { mediaType: 'x/y', digest: digestOf('b'), size: 1 }
    expect(formatReferrers([a, b, a])).toEqual(formatReferrers([b, a]))
  })
})

describe('globs', () => {
  it.each([
    ['3.*', '3.20', true],
    ['3.*', '13.20', false],
    ['*', 'a/b', false],
    ['**', 'a/b', true],
    ['v[0-9]', 'v7', true],
    ['v[!0-9]', 'v7', false],
    ['a+b', 'aab', false],
    ['?', 'x', true],
  ])('%s matches %s: %s', (pattern, text, expected) => {
    expect(compileGlob(pattern)(text)).toBe(expected)
  })

  it('that holds a set which is none is refused', () => {
    expect(codeOf(() => compileGlob('v[z-a]'))).toBe('usage')
  })
})
