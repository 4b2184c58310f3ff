// The launcher's own life after the command runs: it waits, and keeps what the command prints within bounds.
#define _GNU_SOURCE
#include "jail.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_OUTPUT = 1 << 20 }; // bytes of stdout and stderr kept; the rest is read and dropped, so nothing blocks

// Field 22 of /proc/PID/stat, clock ticks after boot: together with the pid it names one process for ever.
static unsigned long long start_time(pid_t process) {
  char path[32], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", process);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_errno("pidfile", path);
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) fail_errno("pidfile", path);
  text[length] = 0;
  char *field = strrchr(text, ')'); // the second field is the name, which may hold anything
  for (int i = 0; field && i < 20; i++) field = strchr(field + 1, ' ');
  unsigned long long ticks;
  if (!field || sscanf(field, "%llu", &ticks) != 1) fail("pidfile", "cannot read the start time");
  return ticks;
}

void write_pidfile(const char *path, pid_t child) {
  char fresh[4096], text[96];
  if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh) fail("pidfile", "the path is too long");
  int length = snprintf(text, sizeof text, "%d %llu %d\n", child, start_time(child), getpid());
  int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) fail_errno("pidfile", fresh);
  if (write(file, text, (size_t)length) != length) fail_errno("pidfile", fresh);
  close(file);
  if (rename(fresh, path)) fail_errno("pidfile", path); // a reader sees all of it or none
}

// False at the end of the output.
static bool copy_output(int from, int to, size_t *kept) {
  char bytes[4096];
  ssize_t count = read(from, bytes, sizeof bytes);
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  if (count == 0) return false;
  size_t room = MOST_OUTPUT - *kept, wanted = (size_t)count < room ? (size_t)count : room;
  if (to >= 0 && wanted > 0 && write(to, bytes, wanted) == (ssize_t)wanted) *kept += wanted;
  return true;
}

static int exit_status(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return JAIL_FAILED;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int supervise(pid_t child, int output_pipe, int output_file) {
  int ended = (int)syscall(SYS_pidfd_open, child, 0);
  size_t kept = 0;
  struct pollfd waits[] = {{.fd = ended, .events = POLLIN}, {.fd = output_pipe, .events = POLLIN}};
  while (ended >= 0) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) break;
    if (waits[1].revents && !copy_output(output_pipe, output_file, &kept)) waits[1].fd = -1;
    if (waits[0].revents && waits[1].fd < 0) break;
    if (waits[0].revents) waits[0].fd = -1; // every writer is gone with pid 1: what is left in the pipe, then its end
    if (waits[0].fd < 0 && waits[1].fd < 0) break;
  }
  return exit_status(child);
}
