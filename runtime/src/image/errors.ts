import { LittleError } from '../core/errors.ts'

export class BadReference extends LittleError {
  readonly code = 'image.bad_reference'
  readonly status = 400
  readonly hint = 'Give an image (nginx:1.27), a folder with a Dockerfile, an image archive (.tar), or an OCI layout'
}

export class ImageNotFound extends LittleError {
  readonly code = 'image.not_found'
  readonly status = 404
  readonly hint = 'Check its name and tag; if its registry keeps it private: docker login <registry>'
}

export class ImageUnauthorized extends LittleError {
  readonly code = 'image.unauthorized'
  readonly status = 403
  readonly hint =
    'Log in to the registry (docker login <registry>), or check the spelling: registries hide what they do not know'
}

export class RegistryUnreachable extends LittleError {
  readonly code = 'image.registry_unreachable'
  readonly status = 502
  readonly hint =
    'Check the network and the address of the registry; an image on disk needs none: docker save -o image.tar <image>'
}

export class RegistryWithoutTls extends LittleError {
  readonly code = 'image.registry_without_tls'
  readonly status = 502
  readonly hint = 'Deploy with --insecure-registry, if you trust the network in between'
}

/** Truncated, contradicting its digests, or holding something that no image may hold. */
export class CorruptImage extends LittleError {
  readonly code = 'image.corrupt'
  readonly status = 422
  readonly hint = 'Save or push the image again; if it runs in Docker as it is, please report this'
}

export class WrongPlatform extends LittleError {
  readonly code = 'image.wrong_platform'
  readonly status = 422
  readonly hint = 'Build it for linux/amd64: docker build --platform linux/amd64 .'
  constructor(reference: string, available: string[]) {
    super(`${reference} is not made for linux/amd64 but for ${available.join(', ') || 'nothing that it names'}`)
  }
}

export class NoCommand extends LittleError {
  readonly code = 'image.no_command'
  readonly status = 422
  readonly hint = 'Add CMD or ENTRYPOINT to the Dockerfile'
  constructor(reference: string) {
    super(`${reference} does not say what to run: it has neither an entrypoint nor a command`)
  }
}

export class ImageTooBig extends LittleError {
  readonly code = 'image.too_big'
  readonly status = 413
  readonly hint = 'Make the image smaller: build in one stage and copy only what runs into the last one'
}

export class BuildFailed extends LittleError {
  readonly code = 'image.build_failed'
  readonly status = 422
  readonly hint = 'The last lines of the build are above; the same Dockerfile must build with docker build'
}

export class ToolFailed extends LittleError {
  readonly code = 'image.tool_failed'
  readonly status = 500
  readonly hint = 'little doctor shows which programs are missing; npm start installs them'
}
