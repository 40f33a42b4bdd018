import { RegistrishError } from '../errors.ts'
import { plain, quote } from './digest.ts'

/** A platform of an image index (OCI image spec, image-index.md, "platform" property), spelled as OCI spells it. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
  readonly 'os.version'?: string
}

/** Parses `os/arch[/variant][:osversion]`. @throws RegistrishError `usage`. */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9_-]+)\/([A-Za-z0-9_-]+)(?:\/([A-Za-z0-9._-]+))?(?::([A-Za-z0-9._-]+))?$/.exec(text)
  const [, os, architecture, variant, version] = match ?? []
  if (os === undefined || architecture === undefined) {
    throw new RegistrishError('usage', `not a platform: ${quote(text)}`, {
      hint: 'write os/architecture or os/architecture/variant, for example linux/amd64 or linux/arm/v7',
    })
  }
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version }),
  }
}

/** Formats a platform as `os/arch[/variant][:osversion]`, for people: what a manifest says may be anything. */
export function formatPlatform(platform: Platform): string {
  const variant = platform.variant === undefined ? '' : `/${platform.variant}`
  const version = platform['os.version'] === undefined ? '' : `:${platform['os.version']}`
  return plain(`${platform.os}/${platform.architecture}${variant}${version}`)
}

/** Whether `platform` is one that `wanted` asks for; what `wanted` leaves out matches anything, and arm64 is arm64/v8 (containerd's normalisation). */
export function matchesPlatform(platform: Platform, wanted: Platform): boolean {
  if (platform.os !== wanted.os || platform.architecture !== wanted.architecture) return false
  if (wanted.variant !== undefined && variantOf(platform) !== variantOf(wanted)) return false
  return wanted['os.version'] === undefined || (platform['os.version'] ?? '').startsWith(wanted['os.version'])
}

function variantOf({ architecture, variant }: Platform): string {
  if (variant !== undefined) return variant
  return { arm64: 'v8', arm: 'v7', amd64: 'v1' }[architecture] ?? ''
}
