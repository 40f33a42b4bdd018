import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fixOf, type RuleValues } from '../../src/doctor/fixes.ts'
import type { CheckName } from '../../src/doctor/report.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { rawRequest } from '../contract/raw-request.ts'
import { describeWith } from './support/suites.ts'
import { startSuperstatic } from './support/superstatic.ts'
import { startPages } from './support/wrangler.ts'

/* The rules that doctor prints for hosts of web sites, in the development servers of these hosts. */

const FOLDER = '/v2/app/manifests'
/** Of different types, in one folder; digests that begin with a letter and with a digit. */
const TYPES: Readonly<Record<string, string>> = {
  latest: OCI_INDEX,
  [digest('a')]: OCI_INDEX,
  [digest('b')]: OCI_MANIFEST,
  [digest('1')]: OCI_INDEX,
}

interface Started {
  readonly url: string
  readonly close: () => Promise<void>
}

interface Host {
  readonly name: string
  readonly needs: 'superstatic' | 'wrangler'
  /** The folder of what is published, below the root. */
  readonly site: string
  /** Writes the rules where they belong. */
  readonly write: (root: string, rules: readonly string[]) => void
  readonly start: (root: string) => Promise<Started>
}

const HOSTS: readonly Host[] = [
  {
    name: 'firebase',
    needs: 'superstatic',
    site: 'firebase/site',
    write: (root, rules) => {
      const headers = rules.map(rule => JSON.parse(rule) as unknown)
      const settings = { hosting: { public: 'site', ignore: [], cleanUrls: false, headers } }
      writeFileSync(join(root, 'firebase/firebase.json'), JSON.stringify(settings))
    },
    start: async root => {
      const { url, stop } = await startSuperstatic(root)
      return { url, close: stop }
    },
  },
  {
    name: 'cloudflare',
    needs: 'wrangler',
    site: 'site',
    write: (root, rules) => {
      const paths = new Map<string, readonly string[]>()
      for (const [path = '', ...lines] of rules.map(rule => rule.split('\n')))
        paths.set(path, [...(paths.get(path) ?? []), ...lines])
      const text = [...paths].map(([path, lines]) => [path, ...lines, ''].join('\n')).join('')
      writeFileSync(join(root, 'site/_headers'), text)
    },
    start: root => startPages(join(root, 'site')),
  },
]

for (const host of HOSTS) {
  describeWith([host.needs], `the rules of ${host.name}`, () => {
    let root = ''
    let server: Started | undefined

    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), 'rgr-hosts-'))
      const files = ['/v2/index.html', ...Object.keys(TYPES).map(reference => `${FOLDER}/${reference}`)]
      for (const path of files) {
        mkdirSync(join(root, host.site, dirname(path)), { recursive: true })
        writeFileSync(join(root, host.site, path), '{}')
      }
      const rules = Object.entries(TYPES).flatMap(([reference, type]) => {
        const path = `${FOLDER}/${reference}`
        return [
          ruleOf('digest-type', host.name, { path, type }),
          ruleOf('digest-header', host.name, { path, digest: digest('c') }),
        ]
      })
      host.write(root, [...rules, ruleOf('tag-cache', host.name, { path: `${FOLDER}/latest` })])
      server = await host.start(root)
    })
    afterAll(async () => {
      await server?.close()
      rmSync(root, { recursive: true, force: true })
    })

    it.each(Object.entries(TYPES))('%s has its type and the digest', async (reference, type) => {
      const answer = await rawRequest(server?.url ?? '', { path: `${FOLDER}/${reference}` })
      expect([answer.status, answer.header('content-type')]).toEqual([200, type])
      expect(answer.header('docker-content-digest')).toBe(digest('c'))
    })

    it('says how long a tag may be kept', async () => {
      const answer = await rawRequest(server?.url ?? '', { path: `${FOLDER}/latest` })
      expect(answer.header('cache-control')).toBe('public, max-age=60')
    })
  })
}

/** What follows the sentence that says where it belongs. */
function ruleOf(check: CheckName, host: string, values: RuleValues): string {
  return fixOf(check, host, values)
    .replace(/^.*\):[\n ]/, '')
    .trim()
}

function digest(letter: string): string {
  return `sha256:${letter.repeat(64)}`
}
