#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { runCli } from './run.ts'

// undici's parser of HTTP is WebAssembly, which V8 compiles twice: at once, and again in the background for speed. The end of the process waits for that, 60 ms,
// and a parser that only looks at headers is no faster by it. Other V8 than those of Node.js 20 to 24 may not know the flag, and would say so; on other
// processors the first compiler may not know all instructions.
if (Number.parseInt(process.versions.v8, 10) <= 13 && ['x64', 'arm64'].includes(process.arch)) {
  setFlagsFromString('--liftoff-only')
}

process.exitCode = await runCli(process.argv.slice(2))
