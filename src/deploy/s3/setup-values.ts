import type { Document } from './setup-documents.ts'

/* What stores say of a bucket is not as one expects in every detail: what has another shape counts as absent. */

/** A list of documents; one alone may stand for the list. */
export function listOf(value: unknown): readonly Document[] {
  return (Array.isArray(value) ? value : [value]).filter(isDocument)
}

/** A list of texts; one alone may stand for the list. */
export function textsOf(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).filter(text => typeof text === 'string')
}

/** A document; an empty one where there is none. */
export function asDocument(value: unknown): Document {
  return isDocument(value) ? value : {}
}

/** A document without what is undefined, as SDKs leave it in. */
export function definedOf(document: Document): Document {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined))
}

function isDocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
