#define _GNU_SOURCE
#include "jail.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int complaints = 2;
int progress = -1;

static noreturn void give_up(void) {
  if (progress >= 0 && write(progress, "f", 1) < 0) _exit(JAIL_FAILED); // no launcher is left to hear it
  _exit(JAIL_FAILED);
}

noreturn void fail(const char *step, const char *reason) {
  dprintf(complaints, "jail: %s: %s\n", step, reason);
  give_up();
}

noreturn void fail_errno(const char *step, const char *about) {
  const char *reason = strerror(errno);
  if (about) dprintf(complaints, "jail: %s: %s: %s\n", step, about, reason);
  else dprintf(complaints, "jail: %s: %s\n", step, reason);
  give_up();
}

int keep(const char *step, int descriptor) {
  if (descriptor < 0) fail_errno(step, NULL);
  int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_OWN);
  if (moved < 0) fail_errno(step, "keep");
  close(descriptor);
  return moved;
}
