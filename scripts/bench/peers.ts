/** The command by which skopeo copies an image from a registry without TLS into an OCI layout. */
export function skopeoCopy(image: string, folder: string): readonly string[] {
  return ['skopeo', '--insecure-policy', 'copy', '--src-tls-verify=false', `docker://${image}`, `oci:${folder}:1`]
}

/** The command by which crane adds images of a registry without TLS to an OCI layout. */
export function cranePull(images: readonly string[], folder: string): readonly string[] {
  return ['crane', 'pull', '--insecure', '--format=oci', ...images, folder]
}
