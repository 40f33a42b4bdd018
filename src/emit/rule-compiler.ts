/*
 * The same table in the fewest rules, for hosts that take only so many. Where groups of entries are nested, and a rule of a smaller group overrides that of a wider one,
 * the smallest set of rules is found exactly, in one walk up and one walk down (ORTC: Draves et al., "Constructing Optimal IP Routing Tables", 1999). A path that no
 * entry has may get any value, since nothing is there: only the groups that entries share are looked at.
 */

/** Something that must have one value. */
export interface RuleEntry {
  /**
   * Patterns that a host can express and that match this entry: the widest first, and last one that matches no other entry. Of any two patterns of a table one matches
   * all that the other does, or they have no entry in common; a pattern has the same wider ones before it wherever it stands.
   */
  readonly groups: readonly string[]
  readonly value: string
}

/** One rule. Of all that match, the last one holds. */
export interface Rule {
  readonly pattern: string
  readonly value: string
}

/**
 * The rules that together give each entry its value, wider ones before those that override them: as few as these patterns allow.
 * @throws TypeError where one path is to have two values.
 */
export function compileRules(entries: Iterable<RuleEntry>): readonly Rule[] {
  const rules: Rule[] = []
  for (const group of groupEntries(entries)) place(weigh(group), undefined, rules)
  return rules
}

/** The shortest of several sets of rules, the first of those that are alike. */
export function fewest(first: readonly Rule[], ...others: readonly (readonly Rule[])[]): readonly Rule[] {
  return others.reduce((best, rules) => (rules.length < best.length ? rules : best), first)
}

interface Group {
  readonly pattern: string
  readonly inner: Map<string, Group>
  value?: string
}

function groupEntries(entries: Iterable<RuleEntry>): Iterable<Group> {
  const widest = new Map<string, Group>()
  for (const { groups, value } of entries) {
    let level = widest
    let group: Group | undefined
    for (const pattern of groups) {
      group = level.get(pattern) ?? { pattern, inner: new Map() }
      level.set(pattern, group)
      level = group.inner
    }
    if (group === undefined) continue
    if (group.value !== undefined && group.value !== value) throw new TypeError(`${group.pattern} has two values`)
    group.value = value
  }
  return widest.values()
}

/** A group with the number of rules that its entries need beside its own, by the value that holds for all of it. */
interface Weighed {
  readonly pattern: string
  readonly inner: readonly Weighed[]
  /** For the values that entries of the group have. */
  readonly needs: ReadonlyMap<string, number>
  /** For any other value, and for none. */
  readonly otherwise: number
  /** The value that needs fewest. */
  readonly best: string
  readonly least: number
}

function weigh({ pattern, inner, value }: Group): Weighed {
  if (value !== undefined)
    return {
      pattern,
      inner: [],
      needs: new Map([[value, 0]]),
      otherwise: Number.POSITIVE_INFINITY,
      best: value,
      least: 0,
    }
  const weighed = [...inner.values()].map(weigh)
  const otherwise = weighed.reduce((sum, part) => sum + rulesFor(part, undefined), 0)
  const needs = new Map<string, number>()
  for (const part of weighed) {
    for (const known of part.needs.keys()) {
      const saved = rulesFor(part, undefined) - rulesFor(part, known)
      needs.set(known, (needs.get(known) ?? otherwise) - saved)
    }
  }
  const [best, least] = [...needs].reduce((a, b) => (b[1] < a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a))
  return { pattern, inner: weighed, needs, otherwise, best, least }
}

/** How many rules a group needs, its own included, where a value already holds for it. */
function rulesFor(group: Weighed, inherited: string | undefined): number {
  return Math.min(without(group, inherited), 1 + group.least)
}

function without({ needs, otherwise }: Weighed, inherited: string | undefined): number {
  return (inherited === undefined ? undefined : needs.get(inherited)) ?? otherwise
}

/** The widest group always gets a rule: where nothing holds yet, one for all costs no more than one for each part. */
function place(group: Weighed, inherited: string | undefined, rules: Rule[]): void {
  const own = inherited === undefined || 1 + group.least < without(group, inherited)
  if (own) rules.push({ pattern: group.pattern, value: group.best })
  for (const part of group.inner) place(part, own ? group.best : inherited, rules)
}
