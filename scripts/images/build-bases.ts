// Makes the images that examples, tests and benches use: `build-bases.ts [name …]`; all of them without a name.
import { makeImage } from './make-image.ts'
import { recipes } from './recipes.ts'

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(recipes)
for (const name of names) {
  const began = performance.now()
  const archive = await makeImage(name, (line) => process.stderr.write(`${line}\n`))
  process.stdout.write(`${name}: ${archive} (${((performance.now() - began) / 1000).toFixed(1)} s)\n`)
}
