import type { Provider } from './setup-provider.ts'

/** Stores that one runs oneself. */
export const OWN_STORES: readonly Provider[] = [
  {
    name: 'minio',
    title: 'MinIO',
    documentation: 'https://github.com/minio/minio',
    endpoint: 'https://minio.example.com',
    region: 'us-east-1',
    parts: ['policy'],
    deployer: 'mc admin policy create ALIAS registrish-{bucket} /dev/stdin',
    proven: 'run',
    notes: [
      { text: 'the server needs MINIO_DOMAIN, the name below which each bucket has its host' },
      { text: 'it has no access lists, no websites and no CORS rules per bucket; it aborts old uploads by itself' },
    ],
  },
  {
    name: 'garage',
    title: 'Garage',
    documentation: 'https://garagehq.deuxfleurs.fr/documentation/',
    endpoint: 'https://s3.garage.example.com',
    region: 'garage',
    host: '{bucket}.web.garage.example.com',
    parts: [],
    steps: [
      { name: 'bucket', why: 'the bucket', command: 'garage bucket create {bucket}' },
      {
        name: 'key',
        why: 'a key for deploy',
        command: 'garage key create registrish && garage bucket allow --read --write {bucket} --key registrish',
      },
      {
        name: 'website',
        why: 'what its web endpoint serves to anyone',
        command: 'garage bucket website --allow --index-document {index} --error-document {missing} {bucket}',
      },
    ],
    proven: 'documented',
    notes: [
      { text: 'there are no access lists and no policies; only its web endpoint (root_domain of s3_web) is public' },
      { text: 'a TLS proxy belongs before the web endpoint' },
      { text: 'all of the bucket is public there, also what lies beside v2/' },
    ],
  },
  {
    name: 'other',
    title: "a store of S3's protocol",
    documentation: 'https://docs.aws.amazon.com/AmazonS3/latest/API/',
    endpoint: 'https://s3.example.com',
    region: 'us-east-1',
    parts: ['public-access', 'policy', 'website', 'cors', 'lifecycle'],
    proven: 'run',
    notes: [
      {
        text: 'what the store does not know is left out, but for the policy: a store without any may want --s3-acl public-read',
      },
      { text: 'each bucket needs a host of its own (versitygw: --virtual-domain; Ceph: rgw_dns_name)' },
    ],
  },
]
