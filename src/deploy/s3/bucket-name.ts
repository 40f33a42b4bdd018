import { isIP } from 'node:net'
import { RegistrishError } from '../../errors.ts'
import { quote } from '../../oci/digest.ts'

/**
 * Checks a bucket's name by the rules of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html). Other stores allow more, and AWS did
 * once; but the name becomes the first part of the host that clients pull from. @throws RegistrishError `usage`.
 */
export function checkBucketName(bucket: string): void {
  const problem = PROBLEMS.find(({ when }) => when(bucket))
  if (problem === undefined) return
  throw new RegistrishError('usage', `${quote(bucket)} ${problem.text}`, { hint: problem.hint ?? ANOTHER })
}

const ANOTHER =
  'a bucket has 3 to 63 small letters, digits and hyphens, such as my-registry; take another, its name is part of the image names'

/** The first that holds is told. */
const PROBLEMS: readonly {
  readonly when: (bucket: string) => boolean
  readonly text: string
  readonly hint?: string
}[] = [
  { when: bucket => bucket === '', text: 'names no bucket' },
  {
    when: bucket => /^[\w.-]+$/.test(bucket) && /[A-Z]/.test(bucket),
    text: 'has capital letters: host names have none, so clients cannot pull from such a bucket',
  },
  {
    when: bucket => /^[a-z0-9_.-]+$/.test(bucket) && bucket.includes('_'),
    text: 'has an underscore: host names have none, so clients cannot pull from such a bucket',
  },
  { when: bucket => bucket.length < 3 || bucket.length > 63, text: 'is not of 3 to 63 characters' },
  {
    when: bucket => !/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])$/.test(bucket) || /\.\.|\.-|-\./.test(bucket),
    text: "is not a bucket's name",
  },
  { when: bucket => isIP(bucket) !== 0, text: 'is an address, not a bucket' },
  {
    when: bucket => /^xn--|^sthree-|^amzn-s3-demo-/.test(bucket),
    text: 'begins as names that S3 keeps to itself',
  },
  {
    when: bucket => /(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(bucket),
    text: 'is an access point or another kind of bucket, which serves nothing to the public',
    hint: 'give the name of a general purpose bucket',
  },
]
