import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RegistrySourceOptions } from '../../src/registry/registry-source.ts'
import { makeImage } from '../support/made-images.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'
import type { Hook, TestRegistry } from '../support/test-registry.ts'
import { type Opened, openSource, startRegistry } from './registry-support.ts'

/** A file of credentials for a registry. */
async function authFileFor(registry: TestRegistry, entry: object): Promise<string> {
  const file = join(await makeTemporaryFolder(), 'auth.json')
  await writeFile(file, JSON.stringify({ auths: { [registry.host]: entry } }))
  return file
}

/** An entry of a credentials file. */
export function password(user: string, secret: string): object {
  return { auth: Buffer.from(`${user}:${secret}`).toString('base64') }
}

/** A registry that asks who is there, and a source with credentials for it. */
export async function login(hook: Hook, entry: object, source: Partial<RegistrySourceOptions> = {}): Promise<Opened> {
  const image = await makeImage()
  const registry = await startRegistry({ repositories: { app: { latest: image }, b: { latest: image } }, hook })
  const authFile = await authFileFor(registry, entry)
  return { registry, ...openSource({ registry: registry.host, authFile, ...source }) }
}

/** The `Authorization` of every request, in order. */
export function authorizationsOf(registry: TestRegistry): readonly (string | undefined)[] {
  return registry.log.map(({ headers }) => headers['authorization'])
}
