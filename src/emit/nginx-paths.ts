/** Where nginx's links stand, below the web root. */
export const LINKS = '/nginx/links'

/** The folder of all manifests of one type: a media type has one slash and no colon. */
export function typeFolder(mediaType: string): string {
  return mediaType.replace('/', ':')
}
