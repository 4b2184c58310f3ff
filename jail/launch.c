// Runs one command (QEMU) taken as hostile, shut in: see spec/jail.md for the contract.
//
// The launcher is the command's parent and lives as long as it does, without the agent. Killing the launcher kills the
// command, and nothing else has to be undone: namespaces and mounts go with the last process in them.
#define _GNU_SOURCE
#include "jail.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// One malloc arena for all threads: otherwise a parked QEMU keeps some MiB more. The agent's environment stays out.
static char *const environment[] = {"MALLOC_ARENA_MAX=1", NULL};
static char *const with_private_ram[] = {"MALLOC_ARENA_MAX=1", "LD_PRELOAD=/private-ram.so", NULL};

static char *const *environment_for(const struct options *options) {
  for (int i = 0; i < options->descriptor_count; i++)
    if (options->descriptors[i].kind == SEALED_MEMFD) return with_private_ram;
  return environment;
}

static void join_cgroups(const struct options *options) {
  for (int i = 0; i < options->cgroup_count; i++) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/cgroup.procs", options->cgroups[i]) >= (int)sizeof path) fail("cgroup", "path");
    int procs = open(path, O_WRONLY | O_CLOEXEC);
    if (procs < 0 || write(procs, "0", 1) != 1) fail_errno("cgroup", path);
    close(procs);
  }
}

// Away from the agent: its terminal, its group's signals, its descriptors.
static void detach(void) {
  if (setsid() < 0 && errno != EPERM) fail_errno("detach", NULL); // EPERM: leads a session already
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  if (syscall(SYS_close_range, 3, ~0U, 0)) fail_errno("detach", "close_range");
  complaints = keep("detach", dup(2));
}

static void without_signal_state(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
}

// Dies with the launcher from here on. Set after the uid has changed (that would clear it); a launcher that died before
// is noticed by the write, whose reader it was.
static void die_with_launcher(void) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)) fail_errno("parent", NULL);
  if (write(progress, "k", 1) != 1) _exit(JAIL_FAILED);
}

static void stream_to(int descriptor, int standard) {
  if (dup2(descriptor, standard) < 0) fail_errno("descriptors", NULL);
}

static noreturn void become_command(const struct options *options, int output, int nothing) {
  enter_root(options);
  without_signal_state();
  stream_to(nothing, 0);
  stream_to(output, 1);
  stream_to(output, 2);
  hand_over_descriptors(options);
  give_up_privileges(options);
  die_with_launcher();
  install_filter();
  execve(options->command[0], options->command, environment_for(options));
  fail_errno("exec", options->command[0]);
}

static pid_t clone_into_namespaces(void) {
  unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  pid_t child = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
  if (child < 0) fail_errno("namespaces", NULL);
  return child;
}

// Waits until the command runs: the child's end of the pipe closes by exec. A child that failed has said why.
static void await_command(int hears) {
  char sign = 0;
  ssize_t count;
  while ((count = read(hears, &sign, 1)) != 0) {
    if (count < 0 && errno != EINTR) fail_errno("parent", NULL);
    if (sign == 'f') _exit(JAIL_FAILED);
  }
  close(hears);
}

int main(int count, char **arguments) {
  struct options options;
  int hears[2], output[2];
  parse_options(count, arguments, &options);
  detach();
  join_cgroups(&options);
  open_descriptors(&options);
  int file = options.output ? keep("stderr", open(options.output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) : -1;
  int nothing = keep("null", open("/dev/null", O_RDWR | O_CLOEXEC));
  if (pipe2(hears, O_CLOEXEC) || pipe2(output, O_CLOEXEC)) fail_errno("pipe", NULL);
  for (int i = 0; i < 2; i++) hears[i] = keep("pipe", hears[i]), output[i] = keep("pipe", output[i]);

  pid_t child = clone_into_namespaces();
  if (child == 0) {
    close(hears[0]);
    progress = hears[1];
    become_command(&options, output[1], nothing);
  }
  close(hears[1]);
  close(output[1]);
  await_command(hears[0]);
  write_pidfile(options.pidfile, child);
  // The agent takes the end of our standard error as "it runs"; nothing is said there any more.
  for (int standard = 0; standard < 3; standard++) stream_to(nothing, standard);
  close(complaints);
  complaints = 2;
  for (int i = 0; i < options.descriptor_count; i++) close(options.descriptors[i].opened);
  return supervise(child, output[0], file);
}
