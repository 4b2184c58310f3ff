// Makes the static binaries of the examples in C.
import { makeExampleServers } from './servers.ts'

await makeExampleServers()
