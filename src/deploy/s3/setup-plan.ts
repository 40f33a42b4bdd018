import { notFoundPath, publicPrefix, versionPath } from '../../tree/layout.ts'
import { AWS } from './setup-aws.ts'
import { CLOUDFRONT, cloudFrontSteps } from './setup-cloudfront.ts'
import { CLOUDS } from './setup-clouds.ts'
import { BUCKET_PARTS, type BucketPart, deployerPolicy, documentOf } from './setup-documents.ts'
import { OWN_STORES } from './setup-own-stores.ts'
import type { Provider, ProviderNote, SetupStep } from './setup-provider.ts'
import { awsCommand, hereDocument } from './setup-shell.ts'
import { publicHostOf, type S3Target } from './target.ts'

/** All providers, the first by default. */
export const PROVIDERS: readonly Provider[] = [AWS, CLOUDFRONT, ...CLOUDS, ...OWN_STORES]

/** What a new bucket needs at a provider. */
export interface SetupPlan {
  readonly provider: string
  readonly title: string
  readonly documentation: string
  readonly proven: Provider['proven']
  readonly bucket: string
  readonly steps: readonly SetupStep[]
  /** The command that takes a tree there. */
  readonly deploy: string
  /** Host that clients pull from; capitals are for the user to fill in. */
  readonly host: string
  readonly notes: readonly ProviderNote[]
}

/** The provider of a name; without one, the provider that the endpoint is of. */
export function providerOf(target: S3Target, name?: string): Provider {
  const host = target.endpoint === undefined ? undefined : new URL(target.endpoint).hostname
  const found = PROVIDERS.find(provider =>
    name === undefined ? host !== undefined && provider.hosts?.test(host) === true : provider.name === name,
  )
  return found ?? (host === undefined ? AWS : OTHER)
}

/** Says what a new bucket needs. */
export function planSetup(
  target: S3Target,
  provider: Provider,
  { unlisted = false }: { readonly unlisted?: boolean } = {},
): SetupPlan {
  const { bucket } = target
  const region = target.region ?? provider.region
  const fill = (text: string): string =>
    text
      .replaceAll('{region}', region)
      .replaceAll('{bucket}', bucket)
      .replaceAll('{index}', versionPath.slice(publicPrefix.length))
      .replaceAll('{missing}', notFoundPath)
  const endpoint = target.endpoint ?? (provider.endpoint === undefined ? undefined : fill(provider.endpoint))
  const ownHost = provider.host === undefined ? undefined : fill(provider.host)
  const host = ownHost ?? publicHostOf(endpoint === undefined ? target : { ...target, endpoint }, region) ?? 'HOST'
  const place = { bucket, region, endpoint }
  const own = (provider.steps ?? []).map(step => ({ ...step, command: fill(step.command).replaceAll('{host}', host) }))
  const parts = BUCKET_PARTS.filter(part => provider.parts.includes(part))
  return {
    provider: provider.name,
    title: provider.title,
    documentation: provider.documentation,
    proven: provider.proven,
    bucket,
    steps: [
      ...(own.length === 0 ? [bucketStep(place)] : own),
      ...(provider === CLOUDFRONT ? cloudFrontSteps({ bucket, region }) : []),
      ...parts.map(part => partStep(part, { ...place, unlisted })),
      ...(provider.deployer === undefined ? [] : [deployerStep(fill(provider.deployer), place)]),
    ],
    deploy:
      provider.deploy === undefined ? deployLine(target, provider, { endpoint, region, host }) : fill(provider.deploy),
    host,
    notes: [...target.notes.map(text => ({ text })), ...(unlisted ? [UNLISTED] : []), ...provider.notes],
  }
}

const OTHER: Provider = PROVIDERS.find(({ name }) => name === 'other') ?? AWS

const UNLISTED: ProviderNote = {
  text: 'nobody may list the bucket, so what is missing is 403: docker and podman pull all the same; containerd, cosign and docker 29 where an image has attestations may take it for an error',
}

interface Place {
  readonly bucket: string
  readonly region: string
  readonly endpoint: string | undefined
}

/** AWS wants the region said twice, but for its first one. */
function bucketStep({ bucket, region, endpoint }: Place): SetupStep {
  const where = endpoint === undefined && region !== 'us-east-1'
  const words = where ? ['--create-bucket-configuration', `LocationConstraint=${region}`] : []
  return {
    name: 'bucket',
    why: 'the bucket, where it is not there yet',
    command: awsCommand('create-bucket', { bucket, region, endpoint }, words),
  }
}

function partStep(part: BucketPart, options: Place & { readonly unlisted: boolean }): SetupStep {
  const document = documentOf(part, options)
  const { verb, flag, why } = COMMANDS[part]
  if (part === 'acl')
    return { name: part, why, command: awsCommand(verb, options, [flag, String(document['ACL'])]), document }
  const text = JSON.stringify(document, undefined, 2)
  return {
    name: part,
    why: part === 'policy' && options.unlisted ? WHY_UNLISTED : why,
    command: hereDocument(awsCommand(verb, options, [flag, 'file:///dev/stdin']), text),
    document,
  }
}

function deployerStep(command: string, place: Place): SetupStep {
  const document = deployerPolicy(place)
  return {
    name: 'deployer',
    why: 'what whoever deploys must be allowed: give it to a user or a role; without --prune it needs no s3:DeleteObject',
    command: hereDocument(command, JSON.stringify(document, undefined, 2)),
    document,
  }
}

const WHY_UNLISTED = `anyone may read ${publicPrefix}, and nothing beside it; nobody may list`

const COMMANDS: Readonly<Record<BucketPart, { readonly verb: string; readonly flag: string; readonly why: string }>> = {
  'public-access': {
    verb: 'put-public-access-block',
    flag: '--public-access-block-configuration',
    why: 'a policy may let anyone read; access lists stay blocked',
  },
  policy: {
    verb: 'put-bucket-policy',
    flag: '--policy',
    why: `anyone may read ${publicPrefix}, and nothing beside it; anyone may list the bucket, so that what is missing is 404 and not 403`,
  },
  acl: {
    verb: 'put-bucket-acl',
    flag: '--acl',
    why: 'anyone may list the bucket, so that what is missing is 404 and not 403',
  },
  website: {
    verb: 'put-bucket-website',
    flag: '--website-configuration',
    why: 'the website endpoint answers the version check, and 404 with the right JSON',
  },
  cors: { verb: 'put-bucket-cors', flag: '--cors-configuration', why: 'pages of browsers may read' },
  lifecycle: {
    verb: 'put-bucket-lifecycle-configuration',
    flag: '--lifecycle-configuration',
    why: 'uploads that were cut off are removed after a day: they are paid for, but not seen',
  },
}

function deployLine(
  { bucket, pathStyle, region: given }: S3Target,
  { acl, host: ownHost, name }: Provider,
  { endpoint, region, host }: Omit<Place, 'bucket'> & { readonly host: string },
): string {
  const saysRegion = endpoint === undefined || given !== undefined || name === 'garage'
  return [
    `registrish deploy --s3 ${bucket}`,
    ...(endpoint === undefined ? [] : [`--s3-endpoint ${endpoint}`]),
    ...(saysRegion ? [`--s3-region ${region}`] : []),
    ...(pathStyle ? ['--s3-path-style'] : []),
    ...(acl === true ? ['--s3-acl public-read'] : []),
    ...(ownHost !== undefined || pathStyle ? [`--url ${host}`] : []),
  ].join(' ')
}
