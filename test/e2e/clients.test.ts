import { expect, it, onTestFinished } from 'vitest'
import { describePulls } from './support/client-pulls.ts'
import { digestOf, ODD_REPOSITORY, type Running, skopeo } from './support/image-pulls.ts'
import { done } from './support/registrish.ts'
import { sharedEngine } from './support/suites.ts'
import { WEB_SERVERS } from './support/web-servers.ts'

/* The main job with real programs: real images from a real registry, and every client that people have pulls and runs them. */

/** What is pulled by tag; each also by digest. */
const IMAGES = [
  'busybox:latest',
  'busybox:RC1',
  'busybox:rc1',
  'busybox:1.10',
  'multi:latest',
  'team/tools/busybox:latest',
  'signed:latest',
] as const

/** Tags that look like something else to a web server, in a nested repository. */
const ODD_TAGS = ['1.0.gz', 'v1.fr', 'x.js', 'latest.html', 'index.html', '1.var', `t${'0'.repeat(127)}`] as const

for (const { name, needs, start } of WEB_SERVERS) {
  describePulls(name, needs, start, {
    images: IMAGES,
    byDigest: IMAGES,
    oddTags: ODD_TAGS,
    also: ['big', 'debian'],
    missing: /manifest unknown|not found|MANIFEST_UNKNOWN/i,
    more: describeServed,
  })
}

function describeServed(running: () => Running): void {
  it.for(ODD_TAGS)('podman, containerd and skopeo pull the tag %s too', async tag => {
    const { server, podman } = running()
    const { ctr } = sharedEngine()
    const full = `${server.host}/${ODD_REPOSITORY}:${tag}`
    const digest = digestOf(`${ODD_REPOSITORY}:latest`)
    onTestFinished(() => podman(['rmi', '--force', full]).then(() => undefined))
    await podman(['pull', '--quiet', '--tls-verify=false', full])
    onTestFinished(() => ctr(['images', 'rm', full]).then(() => undefined))
    await ctr(['images', 'pull', '--plain-http', full])
    expect((await ctr(['images', 'ls', `name==${full}`])).stdout).toContain(digest)
    const { stdout } = await skopeo(['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${full}`])
    expect(stdout).toBe(digest)
  })

  it('docker runs a whole Debian', async () => {
    const { docker } = sharedEngine()
    const full = `${running().server.host}/debian:latest`
    onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
    const { stdout } = await docker(['run', '--rm', '--network', 'none', full, 'cat', '/etc/debian_version'])
    expect(stdout).toMatch(/^12/)
  })

  it('docker push is refused and changes nothing', async () => {
    const { root, server } = running()
    const { docker } = sharedEngine()
    const full = `${server.host}/busybox:latest`
    await docker(['pull', '--quiet', full])
    onTestFinished(() => docker(['rmi', '--force', full]).then(() => undefined))
    const { failed } = await docker(['push', full], { reject: false })
    expect(failed).toBe(true)
    await done(['verify', '--root', root])
  })
}
