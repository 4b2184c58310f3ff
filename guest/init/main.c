// The guest's init. At boot it makes everything ready that is the same for all instances of an image, says
// `waiting` and blocks: there the host takes the template's snapshot. In a restored copy the identity arrives,
// and the image's program starts. After that init only sleeps in epoll until someone has something to say.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "init.h"

// Wakes preempt the program at once, so that a busy program cannot hold up the clock's acknowledgement.
// Children start with the usual policy. (musl's sched_setscheduler is a stub, hence the call by number.)
static void become_urgent(void) {
  struct sched_param priority = {.sched_priority = 1};
  const int reset_on_fork = 0x40000000;
  if (syscall(SYS_sched_setscheduler, 0, SCHED_RR | reset_on_fork, &priority)) say("real-time priority refused");
  file_write("/proc/self/oom_score_adj", "-1000");
}

int main(void) {
  mounts_early();
  modules_load();
  mounts_root();
  sysctl_defaults();
  network_loopback();
  signal(SIGPIPE, SIG_IGN);
  become_urgent();
  reap_open();
  log_open();
  stay_awake_open();
  sync(); // nothing is left to be written behind the snapshot's back
  channel_open();
  program_tell(); // `waiting`
  loop_run();
}
