import { textsOf } from './s3-server-answer.ts'
import type { S3Bucket } from './s3-server-state.ts'

/** Whether anyone may do something with a bucket, or with an object in it, by its policy. */
export function allows(bucket: S3Bucket, action: 's3:GetObject' | 's3:ListBucket', key?: string): boolean {
  const block = bucket.configurations.get('publicAccessBlock') ?? ''
  if (textsOf(block, 'RestrictPublicBuckets')[0] === 'true') return false
  const policy = bucket.configurations.get('policy')
  if (policy === undefined) return false
  const { Statement: statements } = JSON.parse(policy) as { readonly Statement: Statement | readonly Statement[] }
  const arn = `arn:aws:s3:::${bucket.name}${key === undefined ? '' : `/${key}`}`
  return listOf<Statement>(statements).some(
    ({ Effect, Principal, Action, Resource }) =>
      Effect === 'Allow' &&
      (Principal === '*' || (typeof Principal === 'object' && listOf(Principal.AWS ?? []).includes('*'))) &&
      listOf(Action).some(pattern => matches(pattern, action)) &&
      listOf(Resource).some(pattern => matches(pattern, arn)),
  )
}

/** A policy by which anyone may read what stands below `v2/`, and list the bucket where that is said. */
export function publicPolicy(bucket: string, lists: boolean): string {
  const arn = `arn:aws:s3:::${bucket}`
  const read = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `${arn}/v2/*` }
  const list = { Effect: 'Allow', Principal: '*', Action: 's3:ListBucket', Resource: arn }
  return JSON.stringify({ Version: '2012-10-17', Statement: lists ? [read, list] : [read] })
}

interface Statement {
  readonly Effect: string
  readonly Principal: string | { readonly AWS?: string | readonly string[] }
  readonly Action: string | readonly string[]
  readonly Resource: string | readonly string[]
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map(part => part.replace(/[.\\^$+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(text)
}
