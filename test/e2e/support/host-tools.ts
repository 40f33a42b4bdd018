import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Emulators of static hosts: dependencies of the package in test/hosts, too heavy for this one. */
const HOST_TOOLS = ['azurite-blob', 'netlify', 's3rver', 'superstatic', 'wrangler'] as const

/** A command of an emulator. */
export type HostTool = (typeof HOST_TOOLS)[number]

/** Whether a command is an emulator's. */
export function isHostTool(name: string): name is HostTool {
  return HOST_TOOLS.some(tool => tool === name)
}

/** The path of an emulator's command, always of the version that test/hosts names; undefined where it is not installed. */
export function findHostTool(name: HostTool): string | undefined {
  const path = fileURLToPath(new URL(`../../hosts/node_modules/.bin/${name}`, import.meta.url))
  return existsSync(path) ? path : undefined
}
