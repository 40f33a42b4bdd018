/** Placeholders for a repository name of so many components: `:a/:b`. Each matches one component. */
export function namePlaceholders(depth: number): string {
  return Array.from({ length: depth }, (_, index) => `:name${index + 1}`).join('/')
}

/** Of how many components a repository name is made. */
export function depthOf(repository: string): number {
  return repository.split('/').length
}

/** Numbers in order, each once. */
export function ascending(numbers: Iterable<number>): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b)
}
