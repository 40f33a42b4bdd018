import type { Provider, ProviderNote } from './setup-provider.ts'

const WHOLE_BUCKET: ProviderNote = {
  text: 'all of the bucket is public, also the list of what is to be deleted that lies beside v2/',
}

/** Clouds other than AWS whose stores speak S3's protocol. */
export const CLOUDS: readonly Provider[] = [
  {
    name: 'r2',
    title: 'Cloudflare R2',
    documentation: 'https://developers.cloudflare.com/r2/buckets/public-buckets/',
    endpoint: 'https://ACCOUNT.r2.cloudflarestorage.com',
    hosts: /\.r2\.cloudflarestorage\.com$/,
    region: 'auto',
    host: 'registry.example.com',
    parts: [],
    steps: [
      { name: 'bucket', why: 'the bucket', command: 'npx wrangler r2 bucket create {bucket}' },
      {
        name: 'domain',
        why: 'a domain of your own that serves it; its zone must be in the same account',
        command: 'npx wrangler r2 bucket domain add {bucket} --domain {host} --zone-id ZONE',
      },
    ],
    proven: 'documented',
    notes: [
      { text: 'there are no access lists and no policies: leave --s3-acl away' },
      { text: 'what is missing is 404, with a page; nobody can list the bucket' },
      { text: 'pub-….r2.dev is limited in rate and for trying out only' },
      {
        text: 'by default only files with certain endings are cached: a cache rule for the host, "eligible for cache"',
      },
      { text: 'objects of more than 512 MB are not cached on smaller plans', unverified: true },
      { text: 'a Transform Rule or a Worker can add Docker-Content-Digest', unverified: true },
      WHOLE_BUCKET,
    ],
  },
  {
    name: 'scaleway',
    title: 'Scaleway Object Storage',
    documentation: 'https://www.scaleway.com/en/docs/object-storage/',
    endpoint: 'https://s3.{region}.scw.cloud',
    hosts: /^s3\.[a-z0-9-]+\.scw\.cloud$/,
    region: 'fr-par',
    parts: ['acl', 'website', 'cors', 'lifecycle'],
    acl: true,
    proven: 'documented',
    notes: [
      { text: 'access by lists, not by a policy: a policy there shuts out all that it does not name, you too' },
      { text: 'conditional writes are documented since July 2026' },
    ],
  },
  {
    name: 'b2',
    title: 'Backblaze B2',
    documentation: 'https://www.backblaze.com/docs/cloud-storage-s3-compatible-api',
    endpoint: 'https://s3.{region}.backblazeb2.com',
    hosts: /^s3\.[a-z0-9-]+\.backblazeb2\.com$/,
    region: 'us-west-004',
    parts: ['acl'],
    proven: 'documented',
    notes: [
      { text: 'a bucket is public or not as a whole; --s3-acl must then be left away or be the same' },
      { text: 'a public bucket needs an account that is verified or has paid' },
      { text: 'the master key does not do: make an application key' },
      { text: 'what is missing is 404', unverified: true },
      WHOLE_BUCKET,
    ],
  },
  {
    name: 'wasabi',
    title: 'Wasabi',
    documentation: 'https://docs.wasabi.com/',
    endpoint: 'https://s3.{region}.wasabisys.com',
    hosts: /^s3\.[a-z0-9-]+\.wasabisys\.com$/,
    region: 'eu-central-1',
    parts: ['policy'],
    proven: 'documented',
    notes: [
      { text: 'accounts made after 13 March 2023 may have no public buckets until its support allows them' },
      { text: 'what is pulled in a month should not be more than what is stored: for few pulls only' },
      { text: 'browsers are let in without rules', unverified: true },
    ],
  },
  {
    name: 'digitalocean',
    title: 'DigitalOcean Spaces',
    documentation: 'https://docs.digitalocean.com/products/spaces/',
    endpoint: 'https://{region}.digitaloceanspaces.com',
    hosts: /^[a-z0-9-]+\.digitaloceanspaces\.com$/,
    region: 'nyc3',
    parts: ['acl', 'cors', 'lifecycle'],
    acl: true,
    proven: 'documented',
    notes: [
      { text: 'there are no websites: pulls are from the bucket itself' },
      { text: 'its CDN, BUCKET.REGION.cdn.digitaloceanspaces.com, serves the same: tell deploy with --url' },
      { text: 'whether conditional writes are kept', unverified: true },
    ],
  },
  {
    name: 'ovh',
    title: 'OVHcloud Object Storage',
    documentation: 'https://help.ovhcloud.com/csm/en-public-cloud-storage-s3',
    endpoint: 'https://s3.{region}.io.cloud.ovh.net',
    hosts: /^s3\.[a-z0-9-]+\.(?:io|perf)\.cloud\.ovh\.(?:net|us)$/,
    region: 'gra',
    parts: ['acl', 'cors', 'lifecycle'],
    acl: true,
    proven: 'documented',
    notes: [
      { text: 'containers of its older Swift API have capitals in their addresses: images cannot be named so' },
      { text: 'whether conditional writes are kept, and lifecycle rules known', unverified: true },
    ],
  },
  {
    name: 'gcs',
    title: 'Google Cloud Storage',
    documentation: 'https://cloud.google.com/storage/docs/access-control/making-data-public',
    endpoint: 'https://storage.googleapis.com',
    hosts: /^storage\.googleapis\.com$/,
    region: 'auto',
    parts: [],
    deploy: 'registrish deploy --gcs {bucket}',
    steps: [
      {
        name: 'bucket',
        why: 'the bucket; deleted objects are not kept and paid for a week more',
        command:
          'gcloud storage buckets create gs://{bucket} --uniform-bucket-level-access --no-public-access-prevention --soft-delete-duration=0',
      },
      {
        name: 'access',
        why: 'anyone may read and list it: without the right to list, what is missing is 403',
        command:
          'gcloud storage buckets add-iam-policy-binding gs://{bucket} --member=allUsers --role=roles/storage.objectViewer',
      },
      {
        name: 'deployer',
        why: 'whoever deploys may read, write and delete objects',
        command:
          'gcloud storage buckets add-iam-policy-binding gs://{bucket} --member=serviceAccount:NAME@PROJECT.iam.gserviceaccount.com --role=roles/storage.objectUser',
      },
    ],
    proven: 'documented',
    notes: [
      { text: 'deploy --gcs speaks its own API, which keeps conditions; --s3 with HMAC keys does too, without them' },
      {
        text: 'credentials are found as its own tools find them: gcloud auth application-default login, GOOGLE_APPLICATION_CREDENTIALS',
      },
      { text: 'where an organisation prevents public access, that is to be let go first' },
      WHOLE_BUCKET,
    ],
  },
]
