/** Machines that the executable is made for, by their OCI architecture. */
export type Architecture = 'amd64' | 'arm64'

/**
 * Makes a complete static Linux executable that prints `message` and exits with 0: two system calls, written as machine code,
 * behind an ELF header (ELF-64 Object File Format 1.5) with one loadable segment. `message` may have 65,535 bytes at most.
 */
export function makeHelloExecutable(architecture: Architecture, message: string): Uint8Array {
  const text = Buffer.from(message)
  const { machine, assemble } = MACHINES[architecture]
  const code = assemble(text.length)
  const size = HEADERS + code.length + text.length
  return Buffer.concat([elfHeader(machine), programHeader(size), code, text])
}

/** The ELF header and the one program header, in bytes. */
const HEADERS = 64 + 56
/** Where the file is loaded: the traditional address of static executables. */
const BASE = 0x400000n
/** The largest page size of either machine. */
const PAGE = 0x10000n

interface Machine {
  /** `e_machine` of the ELF header. */
  readonly machine: number
  /** Machine code that writes the `length` bytes which follow it to standard output and exits. */
  assemble(length: number): Buffer
}

const MACHINES: Readonly<Record<Architecture, Machine>> = {
  amd64: { machine: 62, assemble: assembleAmd64 },
  arm64: { machine: 183, assemble: assembleArm64 },
}

/** System calls of x86-64: write is 1, exit is 60; number in eax, arguments in edi, rsi, edx. */
function assembleAmd64(length: number): Buffer {
  const code = Buffer.from([
    ...[0xb8, 1, 0, 0, 0], // mov eax, 1
    ...[0xbf, 1, 0, 0, 0], // mov edi, 1
    ...[0x48, 0x8d, 0x35, 0, 0, 0, 0], // lea rsi, [rip + distance], distance at 13
    ...[0xba, 0, 0, 0, 0], // mov edx, length, length at 18
    ...[0x0f, 0x05], // syscall
    ...[0xb8, 60, 0, 0, 0], // mov eax, 60
    ...[0x31, 0xff], // xor edi, edi
    ...[0x0f, 0x05], // syscall
  ])
  code.writeInt32LE(code.length - 17, 13)
  code.writeInt32LE(length, 18)
  return code
}

/** System calls of AArch64: write is 64, exit is 93; number in x8, arguments in x0, x1, x2. */
function assembleArm64(length: number): Buffer {
  const words = [
    move(0, 1),
    0x10000000 + 7 * 32 + 1, // adr x1, seven words on: the end of the code
    move(2, length),
    move(8, 64),
    0xd4000001, // svc #0
    move(0, 0),
    move(8, 93),
    0xd4000001, // svc #0
  ]
  const code = Buffer.alloc(words.length * 4)
  words.forEach((word, position) => {
    code.writeUInt32LE(word, position * 4)
  })
  return code
}

/** `movz x<register>, #value`. */
function move(register: number, value: number): number {
  return 0xd2800000 + value * 32 + register
}

function elfHeader(machine: number): Buffer {
  const header = Buffer.alloc(64)
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header) // magic, 64 bits, little-endian, version 1
  header.writeUInt16LE(2, 16) // executable
  header.writeUInt16LE(machine, 18)
  header.writeUInt32LE(1, 20) // version
  header.writeBigUInt64LE(BASE + BigInt(HEADERS), 24) // entry point
  header.writeBigUInt64LE(64n, 32) // program headers begin here
  header.writeUInt16LE(64, 52) // size of this header
  header.writeUInt16LE(56, 54) // size of a program header
  header.writeUInt16LE(1, 56) // one of them
  return header
}

function programHeader(size: number): Buffer {
  const header = Buffer.alloc(56)
  header.writeUInt32LE(1, 0) // loadable
  header.writeUInt32LE(5, 4) // read and execute
  header.writeBigUInt64LE(BASE, 16) // virtual address
  header.writeBigUInt64LE(BASE, 24) // physical address
  header.writeBigUInt64LE(BigInt(size), 32) // bytes in the file
  header.writeBigUInt64LE(BigInt(size), 40) // bytes in memory
  header.writeBigUInt64LE(PAGE, 48) // alignment
  return header
}
