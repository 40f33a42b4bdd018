/** The library's front door: what programs may import. Everything else may move. */
export type { CopyOptions, CopyReport, CopyRequest, CopyResult, CopyTotals } from './copy/context.ts'
export { copyImages } from './copy/copy.ts'
export { deployTree, planDeploy } from './deploy/deploy.ts'
export { type ProofOptions, proveImages } from './deploy/proof.ts'
export type { ProofReport } from './deploy/proof-report.ts'
export type {
  Amount,
  DeployOptions,
  DeployPlan,
  DeployReport,
  PlannedObject,
  PlannedTag,
  PlanProblem,
} from './deploy/report.ts'
export { openS3Store, type S3Options } from './deploy/s3/store.ts'
export type {
  Condition,
  NewObject,
  ObjectBody,
  ObjectHead,
  ObjectStore,
  PutOptions,
  StoredContent,
  StoredHead,
  StoredObject,
  StoredPage,
  StoreLimits,
} from './deploy/store.ts'
export { type ExamineOptions, examineRegistry } from './doctor/examine.ts'
export type {
  CheckName,
  CheckResult,
  Client,
  ClientVerdict,
  DoctorReport,
  Verdict,
} from './doctor/report.ts'
export { emitHosts, type HostRequest, type HostResult, refreshHosts } from './emit/apply.ts'
export type { EmitOptions, EmitProblem, Emitter } from './emit/emitter.ts'
export { type ErrorCode, isRegistrishError, RegistrishError, type Side } from './errors.ts'
export { type FetchReport, fetchImages } from './fetch/fetch.ts'
export type { FetchOptions } from './fetch/options.ts'
export type { Descriptor } from './oci/descriptor.ts'
export { type Algorithm, type Digest, digestOf, parseDigest } from './oci/digest.ts'
export { type ImageManifest, type IndexManifest, type Manifest, parseManifest } from './oci/manifest.ts'
export { formatPlatform, type Platform, parsePlatform } from './oci/platform.ts'
export { formatReference, parseReference, type Reference } from './oci/reference.ts'
export type { CallOptions, Content, ContentKind, OpenOptions, Source } from './oci/source.ts'
export type { OnProgress, ProgressEvent } from './progress.ts'
export type { Handler, ServeRequest, ServeResponse } from './serve/handler.ts'
export type { RunningServer, ServeEvent, ServeTimeouts } from './serve/listen.ts'
export { createRegistry } from './serve/registry.ts'
export { type ServeOptions, serve } from './serve/server.ts'
export { openTree } from './tree/disk-tree.ts'
export { rebuildDocuments } from './tree/documents.ts'
export {
  type ListedImage,
  type ListedTag,
  type ListedUntagged,
  type ListOptions,
  listImages,
  type RepositoryListing,
} from './tree/inventory.ts'
export { type PrunedRepository, type PruneOptions, type PruneReport, pruneTree } from './tree/prune.ts'
export { type RemovedRepository, type RemoveReport, type RemoveTarget, removeImages } from './tree/remove.ts'
export type { Route, RouteFamily, RouteKind, RouteTable } from './tree/route.ts'
export { createRouteTable, findRoute } from './tree/routes.ts'
export type { BlobWriter, ReadonlyTree, StoredManifest, Tree } from './tree/tree.ts'
export { type VerifyOptions, verifyTree } from './tree/verify.ts'
export type { VerifyNote, VerifyProblem, VerifyReport, VerifyStep, VerifyStepName } from './tree/verify-report.ts'
