import type { Command } from 'commander'

interface Verb {
  name: string
  summary: string
  /** Loaded only when it is called: the start of the CLI is what people feel. */
  load: () => Promise<(program: Command) => void>
}

/** Every verb, in the order of `little --help`. */
export const verbs: Verb[] = [
  {
    name: 'up',
    summary: 'start the cloud on this machine',
    load: async () => (await import('./up.ts')).upCommand,
  },
  {
    name: 'down',
    summary: 'end the cloud on this machine',
    load: async () => (await import('./down.ts')).downCommand,
  },
  {
    name: 'status',
    summary: 'show nodes, roles and isolation',
    load: async () => (await import('./status.ts')).statusCommand,
  },
  {
    name: 'doctor',
    summary: 'check this machine and say what to do',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
  {
    name: 'login',
    summary: 'keep the address and token of a cloud',
    load: async () => (await import('./login.ts')).loginCommand,
  },
  {
    name: 'whoami',
    summary: 'show which team the token stands for',
    load: async () => (await import('./whoami.ts')).whoamiCommand,
  },
  {
    name: 'deploy',
    summary: 'run an image and give it an address',
    load: async () => (await import('./deploy.ts')).deployCommand,
  },
  {
    name: 'apps',
    summary: 'list the apps',
    load: async () => (await import('./apps.ts')).appsCommand,
  },
  {
    name: 'ps',
    summary: 'list the instances, asleep and awake',
    load: async () => (await import('./ps.ts')).psCommand,
  },
  {
    name: 'top',
    summary: 'watch what the apps do',
    load: async () => (await import('./top.ts')).topCommand,
  },
  {
    name: 'logs',
    summary: 'show what an app wrote',
    load: async () => (await import('./logs.ts')).logsCommand,
  },
  {
    name: 'exec',
    summary: 'run a command inside an instance',
    load: async () => (await import('./exec.ts')).execCommand,
  },
  {
    name: 'releases',
    summary: "list an app's releases",
    load: async () => (await import('./releases.ts')).releasesCommand,
  },
  {
    name: 'rollback',
    summary: 'let an earlier release serve again',
    load: async () => (await import('./rollback.ts')).rollbackCommand,
  },
  {
    name: 'promote',
    summary: 'give a canary all requests',
    load: async () => (await import('./promote.ts')).promoteCommand,
  },
  {
    name: 'start',
    summary: 'let a stopped app answer again',
    load: async () => (await import('./start.ts')).startCommand,
  },
  {
    name: 'stop',
    summary: "end an app's instances until it is started",
    load: async () => (await import('./stop.ts')).stopCommand,
  },
  {
    name: 'rm',
    summary: 'remove an app and free its name',
    load: async () => (await import('./rm.ts')).rmCommand,
  },
  {
    name: 'open',
    summary: "print an app's address and open it in a browser",
    load: async () => (await import('./open.ts')).openCommand,
  },
  {
    name: 'cost',
    summary: 'show what was used and what it costs',
    load: async () => (await import('./cost.ts')).costCommand,
  },
  {
    name: 'verify',
    summary: 'check signed records',
    load: async () => (await import('./verify.ts')).verifyCommand,
  },
]
