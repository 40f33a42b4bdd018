import { formatApiError } from '../../oci/api-error.ts'
import { notFoundPath, publicPrefix } from '../../tree/layout.ts'
import { VERSION_BODY } from '../../tree/route.ts'
import { type Document, documentOf } from './setup-documents.ts'
import type { Provider, SetupStep } from './setup-provider.ts'
import { awsCommand, hereDocument } from './setup-shell.ts'
import { awsHost } from './target.ts'

/** CloudFront before a bucket that only it may read. */
export const CLOUDFRONT: Provider = {
  name: 'cloudfront',
  title: 'Amazon CloudFront before S3',
  documentation: 'https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/',
  region: 'us-east-1',
  host: 'DISTRIBUTION.cloudfront.net',
  parts: ['lifecycle'],
  deployer: 'aws iam create-policy --policy-name registrish-{bucket} --policy-document file:///dev/stdin',
  proven: 'documented',
  notes: [
    { text: 'the bucket stays private: its public access block remains as it is, and only the distribution may read' },
    {
      text: 'Docker-Content-Digest is added where the address names the digest; by tag there is none, since S3 keeps none: clients ask once more by digest (oras resolve by tag does not)',
    },
    {
      text: 'clients see a tag as it was for up to a minute after a deploy; deploy says which addresses to invalidate',
    },
    { text: 'a name of your own: Aliases and a certificate of ACM in us-east-1' },
    { text: 'objects of more than 50 GB are not served', unverified: true },
    { text: 'one function serves both events of a behaviour', unverified: true },
  ],
}

/** @internal for the tests: the most that a function of CloudFront may be (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html#limits-functions). */
export const FUNCTION_LIMIT = 10_240

/**
 * @internal for the tests
 * The function that the distribution runs for each request and each answer, in what `cloudfront-js-2.0` takes. It is not run for answers of 400 and more
 * (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html): those are CustomErrorResponses.
 */
export function cloudFrontFunction(): string {
  return `// The registry of files behind CloudFront: made by registrish setup. For viewer-request and viewer-response.
var DIGEST = /^\\/${publicPrefix.replace('/', '\\/')}.+\\/(?:manifests|blobs)\\/(sha256(?::|%3[Aa])[0-9a-f]{64}|sha512(?::|%3[Aa])[0-9a-f]{128})$/;

function handler(event) {
  return event.context.eventType === 'viewer-response' ? addDigest(event.request, event.response) : answer(event.request);
}

// A digest in the address names the bytes; a tag says nothing of them.
function addDigest(request, response) {
  var digest = DIGEST.exec(request.uri);
  if (digest !== null && response.statusCode < 400) {
    response.headers['docker-content-digest'] = { value: digest[1].replace(/%3A/i, ':') };
  }
  response.headers['docker-distribution-api-version'] = { value: 'registry/2.0' };
  return response;
}

// The version check, and what is not the registry's, are answered here; all else is S3's.
function answer(request) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return json(405, 'Method Not Allowed', '${formatApiError('UNSUPPORTED')}');
  }
  if (request.uri === '/${publicPrefix.slice(0, -1)}' || request.uri === '/${publicPrefix}') {
    return json(200, 'OK', '${new TextDecoder().decode(VERSION_BODY)}');
  }
  if (request.uri.indexOf('/${publicPrefix}') !== 0) return json(404, 'Not Found', '${formatApiError('NAME_UNKNOWN')}');
  return request;
}

function json(statusCode, statusDescription, body) {
  return {
    statusCode: statusCode,
    statusDescription: statusDescription,
    headers: {
      'content-type': { value: 'application/json' },
      'docker-distribution-api-version': { value: 'registry/2.0' }
    },
    body: { encoding: 'text', data: body }
  };
}
`
}

/** @internal for the tests: what the distribution is told; `oac` and `arn` are the access control's id and the function's name, or what stands for them. */
export function distributionConfig(
  { bucket, region }: Place,
  { oac, arn }: { readonly oac: string; readonly arn: string },
): Document {
  const missing = { ResponsePagePath: `/${notFoundPath}`, ResponseCode: '404', ErrorCachingMinTTL: 10 }
  return {
    CallerReference: `registrish-${bucket}`,
    Comment: `registrish: ${bucket}`,
    Enabled: true,
    HttpVersion: 'http2and3',
    Origins: {
      Quantity: 1,
      Items: [
        {
          Id: 's3',
          DomainName: `${bucket}.${awsHost(region)}`,
          OriginAccessControlId: oac,
          S3OriginConfig: { OriginAccessIdentity: '' },
        },
      ],
    },
    DefaultCacheBehavior: {
      TargetOriginId: 's3',
      ViewerProtocolPolicy: 'https-only',
      AllowedMethods: {
        Quantity: 2,
        Items: ['GET', 'HEAD'],
        CachedMethods: { Quantity: 2, Items: ['GET', 'HEAD'] },
      },
      // Compressed bytes have another digest.
      Compress: false,
      // AWS' own "CachingOptimized": as the objects' Cache-Control says, whatever the query.
      CachePolicyId: '658327ea-f89d-4fab-a63d-7e88639e58f6',
      FunctionAssociations: {
        Quantity: 2,
        Items: ['viewer-request', 'viewer-response'].map(EventType => ({ EventType, FunctionARN: arn })),
      },
    },
    CustomErrorResponses: {
      Quantity: 2,
      Items: [
        { ErrorCode: 403, ...missing },
        { ErrorCode: 404, ...missing },
      ],
    },
  }
}

/** What is to be done for a bucket and a distribution before it, in the order in which it is. */
export function cloudFrontSteps({ bucket, region }: Place): readonly SetupStep[] {
  const name = `registrish-${bucket.replaceAll('.', '-')}`
  const config = distributionConfig({ bucket, region }, { oac: '$oac', arn: '$function' })
  const policy = distributionPolicy({ bucket, region }, '$distribution')
  return [
    {
      name: 'access-control',
      why: 'how CloudFront proves to S3 who it is',
      command: `oac=$(aws cloudfront create-origin-access-control --query OriginAccessControl.Id --output text \\
  --origin-access-control-config Name=${name},SigningProtocol=sigv4,SigningBehavior=always,OriginAccessControlOriginType=s3)`,
    },
    {
      name: 'function',
      why: 'the function that answers /v2/ and adds Docker-Content-Digest to what is asked for by digest',
      command: [
        hereDocument('cat > registrish-function.js', cloudFrontFunction()),
        `version=$(aws cloudfront create-function --name ${name} --query ETag --output text \\
  --function-config Comment=registrish,Runtime=cloudfront-js-2.0 --function-code fileb://registrish-function.js)`,
        `function=$(aws cloudfront publish-function --name ${name} --if-match "$version" \\
  --query FunctionSummary.FunctionMetadata.FunctionARN --output text)`,
      ].join('\n'),
    },
    {
      name: 'distribution',
      why: 'the distribution; what is missing is 404 with the right JSON, whatever S3 says',
      command: [
        hereDocument('cat > registrish-distribution.json', JSON.stringify(config, undefined, 2), { expand: true }),
        `distribution=$(aws cloudfront create-distribution --query Distribution.ARN --output text \\
  --distribution-config file://registrish-distribution.json)`,
      ].join('\n'),
      document: config,
    },
    {
      name: 'policy',
      why: 'the distribution may read the registry, and list the bucket, so that what is missing is 404; the function lets no listing out',
      command: hereDocument(
        awsCommand('put-bucket-policy', { bucket, region }, ['--policy', 'file:///dev/stdin']),
        JSON.stringify(policy, undefined, 2),
        { expand: true },
      ),
      document: policy,
    },
  ]
}

/** As the policy of a public bucket, but for one reader. */
function distributionPolicy({ bucket, region }: Place, distribution: string): Document {
  const { Version, Statement } = documentOf('policy', { bucket, region })
  const only = {
    Principal: { Service: 'cloudfront.amazonaws.com' },
    Condition: { StringEquals: { 'AWS:SourceArn': distribution } },
  }
  return { Version, Statement: (Statement as readonly Document[]).map(statement => ({ ...statement, ...only })) }
}

interface Place {
  readonly bucket: string
  readonly region: string
}
