import { describe, expect, onTestFinished, test } from 'vitest'
import { examineRegistry } from '../../src/doctor/examine.ts'
import { fixOf } from '../../src/doctor/fixes.ts'
import { OCI_INDEX } from '../../src/oci/media-types.ts'
import { only, sendsHeaders } from '../support/registry-faults.ts'
import { answersRight } from '../support/right-answers.ts'
import { startTestRegistry } from '../support/test-registry.ts'
import { makeWrongRegistryImages } from '../support/wrong-registry-images.ts'

/* What doctor says to change, in the words of the host that it recognises. */

describe('a wrong type by tag', () => {
  test.each([
    ['nginx/1.22.1', 'nginx', `location = /v2/multi/manifests/latest { types {} default_type ${OCI_INDEX}; }`],
    [
      'Apache/2.4.71 (Debian)',
      'apache',
      `:\n<Location "/v2/multi/manifests/latest">\n  ForceType ${OCI_INDEX}\n</Location>`,
    ],
    ['Caddy', 'caddy', `:\nheader /v2/multi/manifests/latest {\n  Content-Type "${OCI_INDEX}"\n  defer\n}`],
    [
      'Netlify',
      'netlify',
      `:\n[[headers]]\n  for = "/v2/multi/manifests/latest"\n  [headers.values]\n    Content-Type = "${OCI_INDEX}"`,
    ],
    ['cloudflare', 'cloudflare', `:\n/v2/multi/manifests/latest\n  ! Content-Type\n  Content-Type: ${OCI_INDEX}`],
    ['AmazonS3', 's3', 'registrish deploy --s3 BUCKET --check-headers'],
    ['GitHub.com', 'github-pages', 'choose another host'],
  ])('on %s is mended by a rule with the path and the type', async (server, host, rule) => {
    const report = await examine(server)
    expect(report.host).toBe(host)
    expect(report.checks.find(({ check }) => check === 'tag-type')?.fix).toContain(rule)
  })

  test('on a host that nobody knows is mended in general words', async () => {
    const report = await examine('something/1')
    expect(report.host).toBeUndefined()
    expect(report.checks.find(({ check }) => check === 'tag-type')?.fix).toContain('a rule by path, never by ending')
  })
})

test.each(['/v2/a;}b/manifests/x', '/v2/a"b', '/v2/a\nb'])('a path such as %j does not get into a rule', path => {
  expect(fixOf('tag-type', 'nginx', { path, type: OCI_INDEX })).toContain('location = PATH {')
})

test.each(['TYPE', 'DIGEST', 'PATH', '$&'])('a tag called %s is no place for a value', tag => {
  const path = `/v2/a/manifests/${tag}`
  expect(fixOf('tag-type', 'nginx', { path, type: OCI_INDEX, digest: 'sha256:0' })).toContain(
    tag === '$&' ? 'location = PATH {' : `location = ${path} {`,
  )
})

test('what stands before a rule says where it belongs and what writes it, so that the rule is by itself', () => {
  expect(fixOf('write', 'apache').split('\n')).toEqual([
    'in the site, where it makes them 403 (registrish emit --host apache writes that rule):',
    '<Location "/v2/">',
    '  <LimitExcept GET HEAD>',
    '    Require all denied',
    '  </LimitExcept>',
    '</Location>',
  ])
  expect(fixOf('range', 'apache')).toBe(
    'in the site, and no filter on blobs (registrish emit --host apache writes that rule): MaxRanges unlimited',
  )
})

describe('a path with a digest', () => {
  const path = `/v2/a/manifests/sha256:${'a'.repeat(64)}`

  test('is no path with a parameter for Vercel', () => {
    const rule = fixOf('digest-type', 'vercel', { path, type: OCI_INDEX }).split('): ')[1] ?? ''
    expect(JSON.parse(rule)).toEqual({
      source: path.replace(':', '\\:'),
      headers: [{ key: 'Content-Type', value: OCI_INDEX }],
    })
  })

  test('is no path with a placeholder for Cloudflare', () => {
    const lines = fixOf('digest-type', 'cloudflare', { path, type: OCI_INDEX }).split('\n')
    expect(lines[1]).toBe(path.replace(':', ':*'))
    const digits = path.replace(/a{64}/, '0'.repeat(64))
    expect(fixOf('digest-type', 'cloudflare', { path: digits }).split('\n')[1]).toBe(digits)
  })

  test('is itself for Firebase', () => {
    const rule = fixOf('digest-type', 'firebase', { path, type: OCI_INDEX }).split('): ')[1] ?? ''
    expect(JSON.parse(rule)).toMatchObject({ source: path })
  })
})

async function examine(server: string): ReturnType<typeof examineRegistry> {
  const { repositories } = await makeWrongRegistryImages('fixes')
  const hooks = [
    sendsHeaders({ server }),
    only(/\/manifests\/latest$/, sendsHeaders({ 'content-type': 'application/octet-stream' })),
  ]
  const registry = await startTestRegistry({ repositories, hooks, hook: answersRight(Object.keys(repositories)) })
  onTestFinished(registry.close)
  return examineRegistry(`${registry.host}/multi:latest`)
}
