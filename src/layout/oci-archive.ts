import type { LayoutSource } from './layout-source.ts'
import { readOciLayout } from './oci-layout.ts'
import { type ArchiveOptions, openTarArchive } from './tar-archive.ts'

/**
 * Opens an OCI image layout in a tar archive, plain or gzip-compressed, as `skopeo copy … oci-archive:FILE`, `podman save --format oci-archive` and `docker buildx build -o type=oci` write it.
 * @throws RegistrishError `not-found` where there is no such file or no layout in it, `bad-answer` for a damaged archive.
 */
export async function openOciArchive(path: string, options: ArchiveOptions = {}): Promise<LayoutSource> {
  return readOciLayout(await openTarArchive(path, `oci-archive:${path}`, options), options)
}
