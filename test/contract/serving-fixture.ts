import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  descriptorOf,
  digestOf,
  OCI_INDEX,
  OCI_MANIFEST,
  type ServedBlob,
  type ServedManifest,
  TreeByHand,
} from './tree-by-hand.ts'

/** What refers to a digest, as a referrers list must say it. */
interface ServedReferrers {
  readonly repository: string
  readonly subject: string
  readonly fallbackTag: string
  readonly descriptors: readonly unknown[]
}

/** A tree made by hand and all that a client must find in it, computed from its bytes and not by the code under test. */
export interface ServingTree {
  readonly manifests: readonly ServedManifest[]
  readonly blobs: readonly ServedBlob[]
  readonly referrers: readonly ServedReferrers[]
  /** Repository → its tags in order, fallback tags included. */
  readonly tags: ReadonlyMap<string, readonly string[]>
  /** A blob of text, large enough for ranges. */
  readonly text: ServedBlob
  /** Request paths of files that exist on disk and must not be served: each is 404. */
  readonly hidden: readonly string[]
  /** A text that stands in every hidden file. */
  readonly secret: string
}

const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
const EXOTIC = 'application/vnd.example.widget.v3+json'
const SECRET = 'a secret of the host that no client may read'

/** Tags that look like something else to a web server, each with a manifest of its own. */
export const HOSTILE_TAGS: readonly string[] = [
  ...[
    '0',
    '007',
    '1e3',
    '1.10',
    '1.0.gz',
    'v1.fr',
    'x.js',
    'x.json',
    'latest.html',
    'index.html',
    'index.json',
    'index',
  ],
  ...[
    '1.var',
    'a.tar.gz',
    'style.css.br',
    'page.shtml',
    'run.cgi',
    'x.php',
    'RC1',
    'rc1',
    'Latest',
    'LATEST',
    '_under',
    '__',
  ],
  ...['manifests', 'blobs', 'tags', 'list', 'v2', 'application', 'a..b', 'x.', 'x-', `t${'0'.repeat(127)}`],
  `sha256-${'0'.repeat(64)}.sig`,
]

/** Writes the tree below `root` with plain file calls, as a person would by hand: copies instead of links, no documents. */
export function writeServingTree(root: string): ServingTree {
  const tree = new TreeByHand(root)
  writeHostile(tree)
  writeReferrers(tree)
  for (const name of [
    'other',
    'app/nested/deep',
    'we.ird/x__y-z',
    'v2',
    'a/v2/b',
    'nginx/links/x',
    `${'deep/'.repeat(20)}er`,
  ]) {
    tree.image(name, { tags: ['latest', '1.0'], note: name })
  }
  const text = tree.blob('app', Buffer.from('all work and no play makes jack a dull boy\n'.repeat(3000)))
  tree.blob('app', Buffer.alloc(0))
  tree.blob('app', Buffer.from('named by its sha512'), 'sha512')
  const hidden = writeHidden(tree)
  return {
    manifests: tree.manifests,
    blobs: tree.blobs,
    referrers: tree.referrers,
    tags: tree.tags(),
    text,
    hidden,
    secret: SECRET,
  }
}

function writeHostile(tree: TreeByHand): void {
  const types = [OCI_MANIFEST, DOCKER_MANIFEST, undefined, EXOTIC]
  for (const [position, tag] of HOSTILE_TAGS.entries()) {
    const mediaType = types[position % types.length]
    tree.image('app', {
      tags: [tag],
      note: 'odd',
      salt: position + 100,
      ...(mediaType === undefined ? {} : { mediaType }),
    })
  }
  const children = ['amd64', 'arm64'].map(architecture =>
    tree.image('app', { note: architecture, mediaType: OCI_MANIFEST }),
  )
  const index = tree.index('app', { tags: ['latest', '1'], mediaType: OCI_INDEX, children })
  tree.index('app', { tags: ['nested'], children: [index] })
  const docker = tree.image('app', { note: 'docker child', mediaType: DOCKER_MANIFEST })
  tree.index('app', { tags: ['docker'], mediaType: DOCKER_LIST, children: [docker] })
  tree.image('app', { tags: ['both'], note: 'named twice', mediaType: OCI_MANIFEST, sha512: true })
  tree.image('app', { tags: ['alone'], note: 'no file by digest', mediaType: OCI_MANIFEST, tagOnly: true })
}

function writeReferrers(tree: TreeByHand): void {
  const subject = tree.manifests.find(({ tags }) => tags.includes('latest'))
  if (subject === undefined) throw new Error('the fixture has no latest')
  const known = descriptorOf(subject.mediaType, subject.bytes)
  const absent = descriptorOf(OCI_MANIFEST, Buffer.from('{}'))
  tree.refer('app', known, 'application/vnd.example.signature')
  tree.refer('app', known, 'application/vnd.example.sbom')
  tree.refer('app', absent, 'application/vnd.example.orphan')
}

/** Files that a careless server would hand out: beside v2/, in v2/ but no part of the API, and links that lead out of the tree. */
function writeHidden(tree: TreeByHand): readonly string[] {
  const plain = [
    '/index.html',
    '/.git/config',
    '/.registrish/secret',
    '/README.md',
    '/.netrc',
    '/v2.txt',
    '/v2/secret.txt',
    '/v2/.git/config',
    '/v2/_headers',
    '/v2/_redirects',
    '/v2/_referrers.json',
    '/v2/404.html',
  ]
  const inside = [
    '/v2/app/secret',
    '/v2/app/manifests/.hidden',
    '/v2/app/manifests/a~',
    '/v2/app/blobs/readme',
    '/v2/app/tags/other',
  ]
  for (const path of [...plain, ...inside]) tree.write(path.slice(1), Buffer.from(SECRET))
  const secret = Buffer.from(SECRET)
  const image = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptorOf('a/b', secret),
      layers: [],
      note: SECRET,
    }),
  )
  tree.write('outside/blob', secret)
  tree.write('outside/repository/manifests/latest', image)
  tree.write(`outside/repository/blobs/${digestOf(secret)}`, secret)
  const links: Readonly<Record<string, string>> = {
    [`v2/app/blobs/${digestOf(secret)}`]: '../../../outside/blob',
    'v2/app/manifests/leak': '../../../outside/repository/manifests/latest',
    [`v2/app/manifests/${digestOf(image)}`]: '../../../outside/repository/manifests/latest',
    'v2/linked': '../outside/repository',
  }
  for (const [path, target] of Object.entries(links)) symlinkSync(target, join(tree.root, path))
  const below = ['/v2/linked/manifests/latest', `/v2/linked/blobs/${digestOf(secret)}`, '/outside/blob']
  return [
    ...plain,
    ...inside,
    ...Object.keys(links)
      .slice(0, 3)
      .map(path => `/${path}`),
    ...below,
  ]
}
