import { compileRules, fewest, type Rule, type RuleEntry } from './rule-compiler.ts'
import { sharedBeginnings, sharedEnds } from './rule-compiler-groups.ts'

/** A manifest by tag or by digest: what follows `manifests/`, without the algorithm. */
export interface TypedManifest {
  readonly repository: string
  readonly reference: string
  readonly mediaType: string
}

/** How a tag begins that stands for a digest: the fallback of referrers, and what cosign writes. */
const DIGEST_TAG = 'sha256-'

/** The rule of all tags, which the host always has; digests match it too, and have rules of their own after it. */
export const ALL_TAGS = '/v2/*/manifests/:reference'

/** The rule of all manifests by digest, with `:hex` for the digest. */
export function allDigests(algorithm: string): string {
  return `/v2/*/manifests/${algorithm}::hex`
}

/**
 * The fewest rules that give each tag its type: of tags first by repository, and of repositories first by tag, whichever needs fewer; the same with the tags that stand for
 * digests apart, since those are mostly indexes where others are images.
 */
export function compileTags(tags: readonly TypedManifest[]): readonly Rule[] {
  const ordinary = tags.filter(({ reference }) => !reference.startsWith(DIGEST_TAG))
  const others = tags.filter(({ reference }) => reference.startsWith(DIGEST_TAG))
  const whole = compileBothWays(tags, ALL_TAGS)
  if (ordinary.length === 0 || others.length === 0) return whole
  const apart = [
    ...compileBothWays(ordinary, ALL_TAGS),
    ...compileBothWays(others, `/v2/*/manifests/${DIGEST_TAG}:rest`),
  ]
  return fewest(whole, apart)
}

/**
 * The fewest rules that give each manifest by digest its type: by repository, or, since a digest has one type wherever it is, by the number of a name's components, whichever needs fewer.
 * A colon and a letter begin a placeholder, so what follows the colon is a `*` that stands for nothing.
 */
export function compileDigests(algorithm: string, manifests: readonly TypedManifest[]): readonly Rule[] {
  const rulesBy = (
    folderOf: (repository: string) => string,
    outerOf: (repository: string) => readonly string[],
  ): readonly Rule[] => {
    const ends = shareBy(manifests, { key: ({ repository }) => folderOf(repository), share: sharedEnds })
    const entries = manifests.map(({ repository, reference, mediaType }) => {
      const folder = `/v2/${folderOf(repository)}/manifests/${algorithm}:`
      const shared = inner(ends.get(folderOf(repository))?.get(reference))
      const groups = [`${folder}:hex`, ...shared.map(end => `${folder}*${end}`), `${folder}*${reference}`]
      return { groups: [allDigests(algorithm), ...outerOf(repository), ...groups], value: mediaType }
    })
    return compileRules(entries)
  }
  const names = sharedBeginnings(manifests.map(({ repository }) => repository))
  const outer = (repository: string): readonly string[] =>
    inner(names.get(repository)).map(name => `/v2/${name}*/manifests/${algorithm}::hex`)
  return fewest(
    rulesBy(repository => repository, outer),
    rulesBy(placeholders, () => []),
  )
}

function compileBothWays(tags: readonly TypedManifest[], all: string): readonly Rule[] {
  return fewest(compileRules(byRepository(tags, all)), compileRules(byTag(tags, all)))
}

function byRepository(tags: readonly TypedManifest[], all: string): readonly RuleEntry[] {
  const last = all.slice(all.lastIndexOf('/'))
  const beginnings = shareBy(tags, { key: ({ repository }) => repository, share: sharedBeginnings })
  const names = sharedBeginnings(beginnings.keys())
  return tags.map(({ repository, reference, mediaType }) => ({
    groups: [
      all,
      ...inner(names.get(repository)).map(name => `/v2/${name}*/manifests${last}`),
      `/v2/${repository}/manifests${last}`,
      ...inner(beginnings.get(repository)?.get(reference)).map(start => `/v2/${repository}/manifests/${start}*`),
      `/v2/${repository}/manifests/${reference}`,
    ],
    value: mediaType,
  }))
}

/** A placeholder stands for at least one character, so a beginning that is a tag itself cannot be one rule for all repositories. */
function byTag(tags: readonly TypedManifest[], all: string): readonly RuleEntry[] {
  const repositories = shareBy(tags, {
    key: ({ reference }) => reference,
    text: ({ repository }) => repository,
    share: sharedBeginnings,
  })
  const beginnings = sharedBeginnings(repositories.keys())
  return tags.map(({ repository, reference, mediaType }) => ({
    groups: [
      all,
      ...inner(beginnings.get(reference))
        .filter(start => !repositories.has(start))
        .map(start => `/v2/*/manifests/${start}:rest`),
      `/v2/*/manifests/${reference}`,
      ...inner(repositories.get(reference)?.get(repository)).map(name => `/v2/${name}*/manifests/${reference}`),
      `/v2/${repository}/manifests/${reference}`,
    ],
    value: mediaType,
  }))
}

/** The empty beginning is the group around it. */
function inner(shared: readonly string[] = []): readonly string[] {
  return shared.filter(text => text !== '')
}

interface Sharing {
  key(manifest: TypedManifest): string
  /** Default: the reference. */
  text?(manifest: TypedManifest): string
  share(texts: Iterable<string>): ReadonlyMap<string, readonly string[]>
}

/** What the texts of manifests with the same key share with each other. */
function shareBy(
  manifests: readonly TypedManifest[],
  { key, text = ({ reference }) => reference, share }: Sharing,
): ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> {
  const texts = new Map<string, string[]>()
  for (const manifest of manifests) {
    const known = texts.get(key(manifest))
    if (known === undefined) texts.set(key(manifest), [text(manifest)])
    else known.push(text(manifest))
  }
  return new Map([...texts].map(([name, members]) => [name, share(members)]))
}

/** One placeholder for each component; none begins with another, which Pages would replace in it. */
function placeholders(repository: string): string {
  return repository
    .split('/')
    .map((_, index) => `:n${String(index + 1).padStart(3, '0')}`)
    .join('/')
}
