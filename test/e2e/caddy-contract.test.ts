import { chmodSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { emitHosts } from '../../src/emit/apply.ts'
import { caddy } from '../../src/emit/caddy.ts'
import { openTree } from '../../src/tree/disk-tree.ts'
import { routeTable, textOf } from '../contract/emitter-routes.ts'
import { rawRequest } from '../contract/raw-request.ts'
import { type RunningServer, servingContract } from '../contract/serving.ts'
import type { ServingException } from '../contract/serving-expectations.ts'
import { CADDY_OPTIONS, runCaddy } from './support/caddy.ts'
import { findFreePort } from './support/nginx.ts'
import { run } from './support/run.ts'
import { describeWith } from './support/suites.ts'
import { toolPath } from './support/tools.ts'

/** Both ways to use what is emitted: the whole site, and the snippet in a site of the user's own that does all it can to harm a registry. */
const FORMS: Readonly<Record<string, (root: string, port: number) => string>> = {
  'Caddy, the site': root => `import ${root}/caddy/Caddyfile`,
  'Caddy, the snippet in a site of the user': (root, port) => `
:${port} {
	root * ${root}
	encode zstd gzip {
		minimum_length 1
		match {
			header Content-Type *
		}
	}
	@own not path_regexp ^/v2(?:/|$)
	request_header @own -Accept-Encoding
	header X-Own yes
	header /v2/* Cache-Control "public, immutable"
	header Content-Type text/plain
	header Vary Accept
	try_files {path} /own.html
	templates
	file_server browse
	import ${root}/caddy/snippets/registry.caddy
	handle /own/* {
		respond "mine"
	}
	handle {
		header Content-Type application/json
		header Cache-Control no-store
		respond \`{"errors":[{"code":"OWN","message":"the page of the user"}]}\` 404
	}
	handle_errors {
		respond "an error of the user" 500
	}
}`,
}

/** Go answers some requests before Caddy sees them or after it is done; and Caddy cannot tell a link from a file. */
const EXCEPTIONS: readonly ServingException[] = [
  'paths-refused-as-text',
  'ranges-refused-as-text',
  'blob-links-followed',
  'long-bodies-unread',
]

describeWith(['caddy'], 'caddy', () => {
  for (const [name, format] of Object.entries(FORMS))
    servingContract(name, root => start(root, format), { exceptions: EXCEPTIONS })

  it('finds nothing to complain of in the format of what is emitted', async () => {
    for await (const { path, chunks } of caddy.emit(routeTable([]), {})) {
      const { stdout } = await run(toolPath('caddy'), ['fmt', '-'], { input: await textOf(chunks) })
      expect(stdout.trimEnd(), path).toBe((await textOf(chunks)).trimEnd())
    }
  })
})

/** Starts a real Caddy on what `emit` wrote. */
async function start(root: string, format: (root: string, port: number) => string): Promise<RunningServer> {
  const folder = dirname(root)
  chmodSync(folder, 0o755)
  const port = await findFreePort()
  await emitHosts(openTree(root), [{ name: 'caddy', options: { 'web-root': root, port: String(port) } }])
  const run = join(folder, 'run')
  mkdirSync(run)
  const url = `http://127.0.0.1:${port}`
  const ready = (): Promise<boolean> =>
    rawRequest(url, { path: '/v2/' }).then(
      ({ status }) => status === 200,
      () => false,
    )
  const { stop } = await runCaddy(run, `${CADDY_OPTIONS}${format(root, port)}\n`, ready)
  return { url, close: stop }
}
