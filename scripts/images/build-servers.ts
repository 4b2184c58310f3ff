// Makes the static binaries of the examples in C, for the set-up: afterwards `little deploy examples/hello` needs no network.
import { join } from 'node:path'
import { makeServers } from './servers.ts'

const examples = join(import.meta.dirname, '../../examples')
for (const name of ['hello', 'static']) await makeServers(join(examples, name))
