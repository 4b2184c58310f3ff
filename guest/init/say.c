#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>
#include "init.h"

// The kernel's log and not the serial port: a serial port that nobody reads stalls the whole guest.
void say(const char *format, ...) {
  char line[512] = "<3>init: ";
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line + 9, sizeof line - 9, format, arguments);
  va_end(arguments);
  static int kmsg = -1;
  if (kmsg < 0) kmsg = openat(devices, "kmsg", O_WRONLY | O_CLOEXEC);
  if (kmsg >= 0 && write(kmsg, line, strlen(line)) < 0) return;
}

void die(const char *what) {
  say("%s: %s", what, strerror(errno));
  power_off();
}

// With `reboot=t` and QEMU's -no-reboot this ends the QEMU process.
void power_off(void) {
  sync();
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}
