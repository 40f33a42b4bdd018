/** Where a command of AWS' tool works. */
export interface CommandPlace {
  readonly bucket: string
  readonly region?: string | undefined
  readonly endpoint?: string | undefined
}

/** `aws s3api …` for a bucket. All words are of alphabets that a shell takes as they are, or come from us. */
export function awsCommand(verb: string, { bucket, region, endpoint }: CommandPlace, words: readonly string[]): string {
  return [
    `aws s3api ${verb} --bucket ${bucket}`,
    ...(endpoint === undefined ? [] : [`--endpoint-url ${endpoint}`]),
    ...(region === undefined ? [] : [`--region ${region}`]),
    ...words,
  ].join(' ')
}

/** A command with a text on its standard input. With `expand` the shell puts the values of variables into it. */
export function hereDocument(
  command: string,
  text: string,
  { expand = false }: { readonly expand?: boolean } = {},
): string {
  return `${command} <<${expand ? 'END' : "'END'"}\n${text.trimEnd()}\nEND`
}
