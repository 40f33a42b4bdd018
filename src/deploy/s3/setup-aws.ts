import type { Provider } from './setup-provider.ts'

/** S3 itself, with clients pulling from the bucket's own host. */
export const AWS: Provider = {
  name: 'aws',
  title: 'Amazon S3',
  documentation: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/',
  hosts: /(?:^|\.)amazonaws\.com(?:\.cn)?$/,
  region: 'us-east-1',
  parts: ['public-access', 'policy', 'website', 'cors', 'lifecycle'],
  deployer: 'aws iam create-policy --policy-name registrish-{bucket} --policy-document file:///dev/stdin',
  proven: 'documented',
  notes: [
    {
      text: 'the public access block of the whole account, or of the organisation, wins over that of the bucket: aws s3control get-public-access-block --account-id ACCOUNT',
    },
    { text: 'leave --s3-acl away: new buckets take no access lists' },
    {
      text: 'the website endpoint speaks plain HTTP only; clients pull from the host above, and the website configuration is for a CDN before it',
    },
    {
      text: 'no answer has a Docker-Content-Digest: one more request for each pull by tag, but see --provider cloudfront',
    },
  ],
}
