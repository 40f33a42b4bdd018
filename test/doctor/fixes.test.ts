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
    ['Apache/2.4.71 (Debian)', 'apache', `<Location "/v2/multi/manifests/latest"> ForceType ${OCI_INDEX} </Location>`],
    ['Caddy', 'caddy', `header /v2/multi/manifests/latest Content-Type "${OCI_INDEX}"`],
    ['Netlify', 'netlify', `for = "/v2/multi/manifests/latest", values = { Content-Type = "${OCI_INDEX}" }`],
    ['cloudflare', 'cloudflare', 'in _headers, two lines below the path /v2/multi/manifests/latest'],
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
