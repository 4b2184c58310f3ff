// The child's side of an exec session, and the streams between it and us.
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "command.h"

static bool open_terminal(const uint8_t *size, struct streams *own, struct streams *child) {
  struct winsize window = {.ws_row = size[0] | size[1] << 8, .ws_col = size[2] | size[3] << 8};
  int leader, follower;
  if (openpty(&leader, &follower, 0, 0, &window)) return false;
  fcntl(leader, F_SETFD, FD_CLOEXEC), fcntl(follower, F_SETFD, FD_CLOEXEC);
  *own = (struct streams){fcntl(leader, F_DUPFD_CLOEXEC, 3), leader, -1}; // epoll takes a descriptor only once
  *child = (struct streams){follower, follower, follower};
  return own->in >= 0;
}

static bool open_pipes(struct streams *own, struct streams *child) {
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  bool opened = !pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC) && !pipe2(err, O_CLOEXEC);
  *own = (struct streams){in[1], out[0], err[0]};
  *child = (struct streams){in[0], out[1], err[1]};
  return opened;
}

static void shut(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

void streams_close(struct streams *streams) {
  if (streams->out == streams->in) streams->out = -1;
  if (streams->err == streams->in) streams->err = -1;
  shut(&streams->in), shut(&streams->out), shut(&streams->err);
}

bool streams_open(bool tty, const uint8_t *size, struct streams *own, struct streams *child) {
  *own = *child = (struct streams){-1, -1, -1};
  if (!(tty ? open_terminal(size, own, child) : open_pipes(own, child))) {
    streams_close(own), streams_close(child);
    return false;
  }
  fcntl(own->in, F_SETFL, O_NONBLOCK), fcntl(own->out, F_SETFL, O_NONBLOCK);
  if (own->err >= 0) fcntl(own->err, F_SETFL, O_NONBLOCK);
  return true;
}

_Noreturn static void give_up(int code, const char *problem) {
  dprintf(2, "%s\n", problem);
  _exit(code);
}

void command_become(bool tty, struct streams child, const char *const *argv, const struct environment *environment) {
  char problem[512];
  program_enter_mounts();
  child_reset();
  setsid();
  dup2(child.in, 0), dup2(child.out, 1), dup2(child.err, 2);
  if (tty) ioctl(0, TIOCSCTTY, 0);
  for (int fd = 0; fd < 3; fd++) // so that it may open /dev/stdout, or its terminal, again
    if (fchown(fd, program_user.uid, -1)) give_up(125, "the standard streams cannot be handed over");
  if (!user_become(&program_user)) give_up(125, "cannot become the user of the program");
  const char *folder = identity_get("cwd", 0);
  if (folder && *folder && chdir(folder)) {
    snprintf(problem, sizeof problem, "cannot enter %s: %s", folder, strerror(errno));
    give_up(125, problem);
  }
  give_up(launch(argv, environment, problem, sizeof problem), problem);
}
