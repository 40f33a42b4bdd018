import { literalsOf, type SourceGraph } from './source-graph.ts'

/*
 * The law of the house as functions: each takes a source graph and returns one sentence per breach.
 * docs/ and CONTRIBUTING state it for people; here it is for the test.
 */

/** A rule: its breaches in a program, none where it is kept. */
export type Rule = (graph: SourceGraph) => readonly string[]

/**
 * The rooms, left to right: a room may import itself and what stands left of it. Rooms of one line are siblings and never import one another;
 * `stories` are the files directly in src/ that have no line of their own, and may. `progress` speaks of digests, so `oci`, which reports none, stands left of it.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['errors'],
  ['oci'],
  ['progress'],
  ['http', 'tree'],
  ['registry', 'layout', 'ipfs', 'ndn'],
  ['copy'],
  ['fetch', 'emit', 'deploy', 'serve', 'doctor'],
  ['stories'],
  ['index'],
  ['cli'],
]

/** Every file stands in a room of the law, and every import of a file names one that is there. */
export const everythingHasARoom: Rule = ({ files, imports }) => [
  ...[...files.keys()].filter(path => layerOf(path) < 0).map(path => `${path} is in no room of the law`),
  ...imports
    .filter(({ to, internal }) => internal && !files.has(to ?? ''))
    .map(({ from, to }) => `${from} imports ${to}, which is not there`),
  ...imports.filter(({ to }) => to === undefined).map(({ from }) => `${from} imports something it computes`),
]

/** Imports go to the left, types too. */
export const importsGoLeft: Rule = ({ files, imports }) =>
  imports
    .filter(({ to }) => to !== undefined && files.has(to))
    .filter(({ from, to = '' }) => {
      if (roomOf(from) === roomOf(to)) return false
      return layerOf(to) >= layerOf(from)
    })
    .map(({ from, to }) => `${from} imports ${to}: ${roomOf(from)} must not know ${roomOf(to ?? '')}`)

/** No file imports itself, by whatever way round; types and dynamic imports count. */
export const noCircles: Rule = graph => {
  const targets = internalTargets(graph, () => true)
  const done = new Set<string>()
  const circles: string[] = []
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) circles.push([...trail.slice(at), path].join(' → '))
    if (at >= 0 || done.has(path)) return
    for (const next of targets.get(path) ?? []) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.files.keys()) walk(path, [])
  return circles
}

/** Only tree/layout.ts knows where things stand in a tree. Emitters print paths; a literal with a space in it is a sentence for people. */
export const onlyLayoutKnowsPaths: Rule = ({ files }) =>
  [...files]
    .filter(([path]) => path !== 'tree/layout.ts' && roomOf(path) !== 'emit')
    .flatMap(([path, code]) =>
      literalsOf(code)
        .filter(literal => !/\s/.test(literal.replace(/\$\{[^}]*\}/g, '')))
        .filter(literal => literal.includes('.registrish') || /^v2(?:\/|$)/.test(literal))
        .map(literal => `${path} spells the path ${literal}`),
    )

/** Only the command line writes to the terminal. */
export const onlyCliPrints: Rule = ({ files }) =>
  [...files]
    .filter(([path]) => roomOf(path) !== 'cli')
    .flatMap(([path, code]) =>
      [
        ...code.matchAll(
          /\bconsole\s*\??\.|\bprocess\s*\??\.\s*std(?:out|err)\b|\bstd(?:out|err)\b[^\n]*from 'node:process'/g,
        ),
      ].map(([found]) => `${path} writes to the terminal: ${found}`),
    )

/** Who may import a heavy library, and whether only when it is needed. Types cost nothing, but stay in the same rooms. */
const HEAVY: Readonly<Record<string, { readonly rooms?: readonly string[]; readonly lazy: boolean }>> = {
  '@aws-sdk': { rooms: ['deploy'], lazy: true },
  '@azure': { rooms: ['deploy'], lazy: true },
  '@smithy': { rooms: ['deploy'], lazy: true },
  undici: { rooms: ['http'], lazy: true },
  execa: { lazy: true },
  'google-auth-library': { rooms: ['deploy'], lazy: true },
  'tar-stream': { rooms: ['layout'], lazy: false },
  yargs: { rooms: ['cli'], lazy: false },
}

/** Heavy libraries stay in their rooms, and are imported when they are needed. */
export const heavyLibrariesAreLazy: Rule = ({ imports }) =>
  imports.flatMap(({ from, to = '', kind }) => {
    const heavy = heavinessOf(to)
    if (heavy === undefined) return []
    const strange = heavy.rooms !== undefined && !heavy.rooms.includes(roomOf(from))
    return [
      ...(strange ? [`${from} imports ${to}, which only ${heavy.rooms?.join(' and ')} may`] : []),
      ...(heavy.lazy && kind === 'static' ? [`${from} imports ${to} statically: use import() where it is needed`] : []),
    ]
  })

/** By the name of the package, or of all packages of its owner. */
function heavinessOf(library: string): (typeof HEAVY)[string] | undefined {
  const [name = ''] = library.split('/')
  return Object.hasOwn(HEAVY, name) ? HEAVY[name] : undefined
}

/** What the command line loads before it knows the command is free of heavy libraries, yargs apart. */
export const startIsLight: Rule = graph => {
  const targets = internalTargets(graph, kind => kind === 'static')
  const loaded = new Set(['cli/main.ts'])
  for (const path of loaded) for (const next of targets.get(path) ?? []) loaded.add(next)
  return graph.imports
    .filter(
      ({ from, to = '', kind }) =>
        loaded.has(from) && kind === 'static' && to !== 'yargs' && heavinessOf(to) !== undefined,
    )
    .map(({ from, to }) => `cli/main.ts loads ${to} at once, through ${from}`)
}

function internalTargets(
  { files, imports }: SourceGraph,
  wanted: (kind: 'type' | 'static' | 'dynamic') => boolean,
): ReadonlyMap<string, readonly string[]> {
  const targets = new Map<string, string[]>([...files.keys()].map(path => [path, []]))
  for (const { from, to, kind } of imports) {
    if (to !== undefined && files.has(to) && wanted(kind)) targets.get(from)?.push(to)
  }
  return targets
}

/** The room of a file: its folder, its own name if the law knows it, else `stories`. */
function roomOf(path: string): string {
  const slash = path.indexOf('/')
  if (slash >= 0) return path.slice(0, slash)
  const name = path.replace(/\.ts$/, '')
  return ['errors', 'progress', 'index'].includes(name) ? name : 'stories'
}

function layerOf(path: string): number {
  const room = roomOf(path)
  return LAYERS.findIndex(rooms => rooms.includes(room === 'config' ? 'stories' : room))
}
