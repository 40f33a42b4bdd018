import { describe, expect, test } from 'vitest'
import { ALL_TAGS, compileDigests, compileTags, type TypedManifest } from '../../src/emit/cloudflare-pages-types.ts'
import type { Rule } from '../../src/emit/rule-compiler.ts'
import { createDice, type Dice } from '../support/dice.ts'
import { fewestRules } from '../support/fewest-rules.ts'
import { match } from '../support/pages-rules.ts'

const REPOSITORIES = ['a', 'ab', 'a/b', 'c', 'team/a'] as const
const TAGS = ['latest', '1', '1.0', '1.0.gz', 'sha256-aa', 'sha256-ab.sig', 's'] as const
const DIGESTS = ['0a', 'ab', 'cb', '1b', 'f0', 'aa'] as const
const TYPES = ['x', 'y', 'z'] as const

/** Beside the least that any set of rules needs: rules of one table are looked for in a few ways of nesting them, and a mixture of these may be smaller. */
const BEYOND_THE_LEAST = 1

describe('tags', () => {
  const path = ({ repository, reference }: TypedManifest): string => `/v2/${repository}/manifests/${reference}`

  test('of one type are one rule', () => {
    expect(compileTags(tagsOf('a:1 x', 'a/b:2 x'))).toEqual([{ pattern: ALL_TAGS, value: 'x' }])
  })

  test('are told apart by repository, by what names begin with, by tag, by what tags begin with', () => {
    const tags = tagsOf(
      'a:1 x',
      'a:2 x',
      'a:1.1 y',
      'a:1.2 y',
      'team/b:1 z',
      'team/b:2 z',
      'team/c:1 z',
      'team/c:3 z',
      'team/c:2 x',
    )
    expect(compileTags(tags)).toEqual([
      { pattern: ALL_TAGS, value: 'x' },
      { pattern: '/v2/a/manifests/1.*', value: 'y' },
      { pattern: '/v2/team/*/manifests/:reference', value: 'z' },
      { pattern: '/v2/team/c/manifests/2', value: 'x' },
    ])
  })

  test('that all repositories have are one rule', () => {
    const tags = ['a', 'b', 'c', 'd'].flatMap(name => tagsOf(`${name}:1 x`, `${name}:edge y`))
    expect(compileTags(tags)).toEqual([
      { pattern: ALL_TAGS, value: 'x' },
      { pattern: '/v2/*/manifests/edge', value: 'y' },
    ])
  })

  test('that stand for digests are one rule, after those of the repositories', () => {
    const ofRepository = (name: string, type: string): readonly TypedManifest[] =>
      tagsOf(`${name}:1 ${type}`, `${name}:2 ${type}`, `${name}:sha256-aa z`, `${name}:sha256-bb z`)
    expect(compileTags([...ofRepository('a', 'x'), ...ofRepository('b', 'y'), ...ofRepository('c', 'x')])).toEqual([
      { pattern: ALL_TAGS, value: 'x' },
      { pattern: '/v2/b/manifests/:reference', value: 'y' },
      { pattern: '/v2/*/manifests/sha256-:rest', value: 'z' },
    ])
  })

  test('of random tables all have their types, and no set of rules is smaller by more than one', () => {
    const dice = createDice(1)
    for (let round = 0; round < 400; round += 1) {
      const tags = randomManifests(dice, TAGS)
      const rules = compileTags(tags)
      expectTypes(rules, tags, path)
      const patterns = new Set(tags.flatMap(tag => [...expressible(tag.repository, tag.reference)]))
      expect(rules.length, JSON.stringify(tags)).toBeLessThanOrEqual(least(tags, patterns, path) + BEYOND_THE_LEAST)
    }
  })

  /** Every pattern that has a beginning of the name and a beginning of the tag. */
  function* expressible(repository: string, tag: string): Generator<string> {
    const names = [...starts(repository).map(start => `${start}*`), repository]
    const references = [
      ...starts(tag)
        .slice(1)
        .map(start => `${start}:rest`),
      ':reference',
      tag,
    ]
    for (const name of names) for (const reference of references) yield `/v2/${name}/manifests/${reference}`
    for (const start of [...starts(tag), tag]) yield `/v2/${repository}/manifests/${start}*`
  }
})

describe('digests', () => {
  const path = ({ repository, reference }: TypedManifest): string => `/v2/${repository}/manifests/sha256:${reference}`

  test('are told apart by a star after the colon, since a colon and a letter begin a placeholder', () => {
    expect(compileDigests('sha256', digestsOf('a:ab x', 'a:cd x', 'a:ef y'))).toEqual([
      { pattern: '/v2/*/manifests/sha256::hex', value: 'x' },
      { pattern: '/v2/a/manifests/sha256:*ef', value: 'y' },
    ])
  })

  test('that many repositories have are one rule for names of so many components', () => {
    const digests = ['a', 'b', 'c', 'd'].flatMap(name => digestsOf(`${name}:ab x`, `${name}:cd x`, `${name}:ef y`))
    expect(compileDigests('sha256', digests)).toEqual([
      { pattern: '/v2/*/manifests/sha256::hex', value: 'x' },
      { pattern: '/v2/:n001/manifests/sha256:*ef', value: 'y' },
    ])
  })

  test('of a repository of another type are one rule', () => {
    const digests = digestsOf('a:11 x', 'a:22 x', 'a:33 x', 'team/b:44 y', 'team/b:55 y', 'team/c:66 y')
    expect(compileDigests('sha256', digests)).toEqual([
      { pattern: '/v2/*/manifests/sha256::hex', value: 'x' },
      { pattern: '/v2/team/*/manifests/sha256::hex', value: 'y' },
    ])
  })

  test('of random tables all have their types, and no set of rules is smaller by more than one', () => {
    const dice = createDice(2)
    for (let round = 0; round < 400; round += 1) {
      const types = new Map(DIGESTS.map(digest => [digest as string, dice.pick(TYPES)]))
      const digests = randomManifests(dice, DIGESTS).map(entry => ({
        ...entry,
        mediaType: types.get(entry.reference) ?? '',
      }))
      const rules = compileDigests('sha256', digests)
      expectTypes(rules, digests, path)
      const patterns = new Set(digests.flatMap(({ repository, reference }) => [...expressible(repository, reference)]))
      expect(rules.length, JSON.stringify(digests)).toBeLessThanOrEqual(
        least(digests, patterns, path) + BEYOND_THE_LEAST,
      )
    }
  })

  test('of a name with more components than there are digits have their types', () => {
    const repository = Array.from({ length: 120 }, (_, index) => (index % 2 === 0 ? 'a' : 'b')).join('/')
    const digests = [...digestsOf('a:ab x', 'c:cd x'), { repository, reference: 'ef', mediaType: 'y' }]
    expectTypes(compileDigests('sha256', digests), digests, path)
  })

  /** Every pattern with a beginning of the name, and those with an end of the digest. */
  function* expressible(repository: string, hex: string): Generator<string> {
    const depth = repository
      .split('/')
      .map((_, index) => `:n00${index + 1}`)
      .join('/')
    for (const name of [...starts(repository).map(start => `${start}*`), repository, depth])
      yield `/v2/${name}/manifests/sha256::hex`
    for (const name of [repository, depth])
      for (const start of [...starts(hex), hex]) yield `/v2/${name}/manifests/sha256:*${hex.slice(start.length)}`
    for (const name of [repository, depth]) yield `/v2/${name}/manifests/sha256:*${hex}`
  }
})

/** Every beginning but the whole: '' first. */
function starts(text: string): readonly string[] {
  return [...text].map((_, length) => text.slice(0, length))
}

function tagsOf(...texts: readonly string[]): readonly TypedManifest[] {
  return texts.map(text => {
    const [, repository = '', reference = '', mediaType = ''] = /^(.*):(.*) (.*)$/.exec(text) ?? []
    return { repository, reference, mediaType }
  })
}

const digestsOf: typeof tagsOf = tagsOf

function expectTypes(
  rules: readonly Rule[],
  manifests: readonly TypedManifest[],
  path: (entry: TypedManifest) => string,
): void {
  for (const manifest of manifests) {
    const last = rules.findLast(({ pattern }) => match(pattern, path(manifest)) !== undefined)
    expect(last?.value, `${path(manifest)} of ${JSON.stringify(manifests)}`).toBe(manifest.mediaType)
  }
}

function least(
  manifests: readonly TypedManifest[],
  patterns: Iterable<string>,
  path: (entry: TypedManifest) => string,
): number {
  const matched = [...patterns].map(pattern =>
    manifests.flatMap((manifest, position) => (match(pattern, path(manifest)) === undefined ? [] : [position])),
  )
  return fewestRules(
    manifests.map(({ mediaType }) => mediaType),
    matched,
  )
}

/** At most eleven, which all can be tried for. */
function randomManifests({ roll, pick }: Dice, references: readonly string[]): readonly TypedManifest[] {
  const all = REPOSITORIES.flatMap(repository => references.map(reference => ({ repository, reference })))
  const wanted = 1 + roll(11)
  const chosen = all
    .map(entry => ({ entry, key: roll(1_000_000) }))
    .sort((a, b) => a.key - b.key)
    .slice(0, wanted)
  return chosen.map(({ entry }) => ({ ...entry, mediaType: pick(TYPES) }))
}
