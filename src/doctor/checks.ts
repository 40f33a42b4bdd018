import type { Check } from './check.ts'
import { blobBytes } from './checks/blob-bytes.ts'
import { manifestBytes } from './checks/bytes.ts'
import { connection, plainHttp, tls } from './checks/connection.ts'
import { digestHeader } from './checks/digest-header.ts'
import { encoding } from './checks/encoding.ts'
import { head } from './checks/head.ts'
import { length } from './checks/length.ts'
import { missing } from './checks/missing.ts'
import { colon, namespace, referrers, write } from './checks/others.ts'
import { range } from './checks/range.ts'
import { redirect } from './checks/redirect.ts'
import { dottedTag, tagCache, tagCase, tagsList } from './checks/tags.ts'
import { childType, digestType, tagType } from './checks/types.ts'
import { version } from './checks/version.ts'

/** All checks, in the order of CHECKS. */
export const ALL_CHECKS: readonly Check[] = [
  connection,
  tls,
  plainHttp,
  version,
  head,
  tagType,
  digestType,
  childType,
  manifestBytes,
  digestHeader,
  length,
  encoding,
  blobBytes,
  range,
  missing,
  redirect,
  dottedTag,
  tagCase,
  tagCache,
  namespace,
  referrers,
  colon,
  tagsList,
  write,
]
