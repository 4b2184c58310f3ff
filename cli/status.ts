import type { Command } from 'commander'
import { type Client, LittleCloudError, type Status } from '../sdk/src/index.ts'
import { paint } from './paint.ts'
import { connect } from './session.ts'
import { age, duration } from './show.ts'
import { printTable } from './table.ts'

export function statusCommand(program: Command): void {
  program
    .command('status')
    .summary('show nodes, roles and isolation')
    .description('Shows whether the cloud runs: its roles, its nodes, and how instances are isolated.')
    .option('--json', 'print all of it as JSON')
    .addHelpText('after', '\nExamples:\n  little status\n  little status --json | jq .isolation')
    .action((flags: { json?: boolean }) => status(flags))
}

/** Where the instances are, and what their guests may use at the most. */
function printInstances(nodes: Status['nodes']): void {
  const rows = nodes.flatMap(({ id, instances }) =>
    Object.entries(instances).map(([state, { count, memoryMib }]) => [id, state, count, `${memoryMib} MiB`]),
  )
  if (rows.length === 0) return
  console.log('')
  printTable(['node', 'state', 'instances', 'guests'], rows)
}

const isolationMeans = {
  hardware: 'hardware: each instance is a virtual machine of the CPU',
  emulated: 'emulated: only software keeps instances apart; run what you trust',
  mixed: 'hardware on some nodes, emulated on others: see the table',
  none: 'no node has been heard of',
}

async function status({ json }: { json?: boolean }): Promise<void> {
  const client: Client = connect()
  const state = await client.status()
  if (json) {
    console.log(JSON.stringify({ url: client.url, ...state }, null, 2))
  } else {
    console.log(`littlecloud ${state.version} at ${client.url}, control up for ${age(state.startedAt)}`)
    console.log(`isolation ${isolationMeans[state.isolation]}\n`)
    printTable(
      ['role', 'name', 'state', ''],
      state.roles.map(({ role, name, state, fact }) => [role, name, state, fact]),
    )
    console.log('')
    printTable(
      ['node', 'region', 'isolation', 'cpus', 'memory', 'for apps', 'load'],
      state.nodes.map(({ id, region, isolation, accelerator, cpus, memoryMib, memory, load, silentMs }) => [
        ...[id, region, `${isolation} (${accelerator})`, cpus, `${memoryMib} MiB`],
        memory ? `${memory.usedMib} of ${memory.budgetMib} MiB` : `silent for ${duration(silentMs ?? 0)}`,
        load === undefined ? '' : `${Math.round(load * 100)} %`,
      ]),
    )
    printInstances(state.nodes)
    for (const warning of state.warnings) console.log(paint('yellow', `! ${warning}`, process.stdout))
  }
  const ill = state.roles.filter(({ state }) => state !== 'ok')
  if (ill.length === 0) return
  const names = ill.map(({ role, name }) => (role === name ? role : `${role} ${name}`)).join(', ')
  throw new LittleCloudError({
    code: 'status.not_well',
    message: `not all roles answer: ${names}`,
    hint: 'little doctor checks this machine; the logs lie in the data folder under log/',
    status: 500,
  })
}
