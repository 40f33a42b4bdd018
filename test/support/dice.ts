/** Random choices that are the same in every run. */
export interface Dice {
  /** A whole number below `sides`. */
  roll(sides: number): number
  pick<T>(members: readonly [T, ...T[]]): T
}

/** Dice that fall by a seed (a linear congruential generator, whose low bits are poor and left out). */
export function createDice(seed: number): Dice {
  let state = seed
  const roll = (sides: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >>> 8) % sides
  }
  return { roll, pick: members => members[roll(members.length)] ?? members[0] }
}
