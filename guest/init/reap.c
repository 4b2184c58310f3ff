#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "init.h"

static struct source children;

static void on_child(struct source *source, uint32_t events) {
  (void)events;
  struct signalfd_siginfo information;
  while (read(source->fd, &information, sizeof information) > 0) continue;
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (!exec_reaped(pid, status) && !hook_reaped(pid, status)) program_reaped(pid, status);
}

void reap_open(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, 0);
  children = (struct source){signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), EPOLLIN, on_child, false};
  watch(&children);
}
