import { isIndexType } from '../../oci/media-types.ts'
import { type Answer, lengthOf, typeOf } from '../answer.ts'
import { type Check, type Consequences, type Finding, means, passed, skipped, trouble, worst } from '../check.ts'
import type { ChildSeen, ManifestSeen, Observations } from '../observations.ts'

/** What clients do with a type (clients' sources): none looks into the bytes but crane, and that for images only. */
const WHY =
  'Clients take a manifest for what its Content-Type says, not for what its bytes say. Static hosts guess it from the ending of the name, and manifests have none.'

/** By tag: the answer that decides for all clients. */
export const tagType: Check = {
  name: 'tag-type',
  must: 'A manifest by tag has its media type as Content-Type, to the letter and without a parameter.',
  why: WHY,
  judge: ({ image }) =>
    image?.tag.manifest === undefined
      ? skipped('no manifest was got by tag')
      : judgeTypes(image.tag, image.tag.manifest.mediaType, byTag(image.tag)),
}

/** By digest: Docker always asks for it again so. */
export const digestType: Check = {
  name: 'digest-type',
  must: 'The same manifest has the same Content-Type by digest.',
  why: 'Docker asks for every manifest a second time, by digest, and reads its type again; so do all that pull by digest, as deployments with pinned images do.',
  judge({ image }) {
    const mediaType = image?.tag.manifest?.mediaType
    if (image?.digest === undefined || mediaType === undefined || image.digest.get.status !== 200)
      return skipped('no manifest was got by digest')
    return judgeTypes(image.digest, mediaType, byDigest(image.digest))
  },
}

/** Children of an index. */
export const childType: Check = {
  name: 'child-type',
  must: 'The manifest of each platform has the media type that the index says, as Content-Type.',
  why: 'Docker, podman and oras read the type of each child again. A host with one type for a whole folder serves either indexes or images wrongly.',
  judge({ image }: Observations) {
    if (image?.tag.manifest === undefined) return skipped('no manifest was got by tag')
    if (image.child === undefined) return skipped('the image has one platform only: there are no children')
    return worst(judgeChild(image.child), judgeChild(image.nested))
  },
}

function judgeChild(child: ChildSeen | undefined): Finding {
  if (child?.get.status !== 200) return skipped('no child was got')
  return judgeTypes(child, child.descriptor.mediaType, asChild)
}

/** What a wrong type means: `bare` where only a parameter is too much. */
type Effect = (wrong: { readonly bare: boolean; readonly isIndex: boolean }) => Consequences

/** Go programs take gzip where they ask by GET, and caches keep that answer apart. */
function judgeTypes({ get, packed }: ManifestSeen, expected: string, effect: Effect): Finding {
  const finding = judgeType(get, expected, effect)
  if ('clients' in finding || packed.status !== 200) return finding
  const other = judgeType(packed, expected, effect)
  return 'clients' in other ? { ...other, text: `${other.text}, to who takes gzip` } : finding
}

function judgeType(answer: Answer, expected: string, effect: Effect): Finding {
  const type = typeOf(answer)
  if (type === expected) return passed(`the type is ${expected}`)
  const bare = type.split(';')[0]?.trim() === expected
  return trouble({
    text: type === '' ? 'the Content-Type is missing' : `the Content-Type is ${type}, not ${expected}`,
    request: answer.request,
    seen: type === '' ? 'no Content-Type' : `Content-Type: ${type}`,
    needed: `Content-Type: ${expected}`,
    clients: effect({ bare, isIndex: isIndexType(expected) }),
  })
}

const byTag =
  (tag: ManifestSeen): Effect =>
  ({ bare, isIndex }) => {
    const crane: Consequences = isIndex
      ? means('fails', 'takes an index of another type for an image', ['crane'])
      : means('caveat', 'warns, and takes it for an image', ['crane'])
    if (bare) return crane
    const why = 'takes it for something else than a manifest'
    return {
      ...crane,
      ...means('fails', why, ['podman', 'oras', 'helm']),
      ...(isEnoughForContainerd(tag) ? {} : means('fails', why, ['containerd'])),
      ...(isEnoughForDocker(tag) ? {} : means('fails', why, ['docker'])),
    }
  }

/** Where HEAD names a digest Docker asks by that, and wants any type here, but one (distribution's client, `descriptorFromResponse`). */
function isEnoughForDocker({ reference, head }: ManifestSeen): boolean {
  const isNamed = head.status === 200 && head.headers['docker-content-digest'] !== undefined
  return isNamed && typeOf(head) !== '' && !reference.includes(':')
}

/** Where HEAD names a digest and a length, its type is the one that containerd believes (its resolver.go). */
function isEnoughForContainerd({ head, manifest }: ManifestSeen): boolean {
  const isNamed = head.status === 200 && head.headers['docker-content-digest'] !== undefined
  return isNamed && lengthOf(head) !== undefined && typeOf(head).split(';')[0]?.trim() === manifest?.mediaType
}

const byDigest =
  (digest: ManifestSeen): Effect =>
  ({ bare, isIndex }) => {
    const why = 'pulls by digest fail'
    const crane: Consequences = means('caveat', isIndex ? why : 'warns where it pulls by digest', ['crane'])
    if (bare) return crane
    return {
      ...means('fails', 'asks for every manifest by digest too', ['docker']),
      ...means('caveat', why, ['podman', 'oras', 'helm']),
      ...(isEnoughForContainerd(digest) ? {} : means('caveat', why, ['containerd'])),
      ...crane,
    }
  }

const asChild: Effect = ({ bare }) => {
  const crane: Consequences = means('caveat', 'warns where a platform is pulled by its digest', ['crane'])
  if (bare) return crane
  return { ...means('fails', 'reads the type of each child again', ['docker', 'podman', 'oras']), ...crane }
}
