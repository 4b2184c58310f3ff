// The image's program, PID 1 of its own PID namespace as in Docker: its start, its stop, and the end of the machine.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "init.h"

struct user program_user;
struct environment program_environment;
int program_outputs[2] = {-1, -1};

static enum { AWAITING_IDENTITY, RUNNING, ENDED, TOLD } state;
static pid_t pid;
static int pid_namespace = -1, own_pid_namespace = -1, mount_namespace = -1;
static long oom_kills_before;
static struct source grace, leaving;
static unsigned ticks;
static enum to_host ending;
static uint8_t end[4096];
static size_t end_length;

static long oom_kills(void) {
  char *text = file_read("/proc/vmstat"), *line = text ? strstr(text, "oom_kill ") : 0;
  long count = line ? atol(line + 9) : 0;
  free(text);
  return count;
}

void program_tell(void) {
  uint32_t id = pid;
  if (state == AWAITING_IDENTITY) channel_send(WAITING, 0, 0, 0, 0);
  if (state == RUNNING) channel_send(STARTED, &id, 4, 0, 0);
  if (state == TOLD) channel_send(ending, end, end_length, 0, 0);
}

// Every 20 ms once all is over: first the program's last words have to be out (2 s at most), then how it ended
// has to be told (5 s at most, for a host that is just being restarted), then the machine is turned off.
static void on_leaving(void) {
  enum { LAST_WORDS = 100, LAST_CALL = 350 };
  ticks++;
  if (state == ENDED && ((log_at_end() && log_drained()) || ticks > LAST_WORDS)) {
    state = TOLD;
    program_tell();
    return;
  }
  if (state == TOLD && (channel_drained() || ticks > LAST_CALL)) power_off();
}

static void leave(enum to_host how, const void *payload, size_t length) {
  if (state == ENDED || state == TOLD) return;
  state = ENDED;
  ending = how;
  memcpy(end, payload, end_length = length);
  timer_open(&leaving, on_leaving);
  timer_set(&leaving, 1, 20);
}

void program_fail(int code, const char *format, ...) {
  uint8_t payload[1024];
  memcpy(payload, &(int32_t){code}, 4);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf((char *)payload + 4, sizeof payload - 4, format, arguments);
  va_end(arguments);
  leave(FAILED, payload, 4 + strlen((char *)payload + 4));
}

void program_reaped(pid_t ended, int status) {
  if (ended != pid || state != RUNNING) return;
  int32_t code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  close(program_outputs[0]), close(program_outputs[1]); // else its log would have no end
  uint8_t payload[9];
  memcpy(payload, &code, 4);
  memcpy(payload + 4, &signal, 4);
  payload[8] = code != 0 && oom_kills() > oom_kills_before;
  leave(EXITED, payload, sizeof payload);
}

static void prepare_environment(void) {
  static char home[300], hostname[300];
  environment_set(&program_environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  const char *name = identity_get("hostname", 0), *entry;
  snprintf(hostname, sizeof hostname, "HOSTNAME=%s", name ? name : "instance");
  environment_set(&program_environment, hostname);
  for (unsigned i = 0; (entry = identity_get("env", i)); i++) environment_set(&program_environment, entry);
  snprintf(home, sizeof home, "HOME=%s", program_user.home);
  if (!environment_get(&program_environment, "HOME")) environment_set(&program_environment, home);
}

static bool prepare_folders(void) {
  const char *folder;
  for (unsigned i = 0; (folder = identity_get("vol", i)); i++)
    if (!folder_make(folder)) return program_fail(125, "the volume %s is not a folder in the image", folder), false;
  folder = identity_get("cwd", 0);
  if (folder && *folder && !folder_make(folder))
    return program_fail(125, "the working directory %s is not a folder in the image", folder), false;
  return true;
}

static const char **arguments(void) {
  unsigned count = 0;
  while (identity_get("arg", count)) count++;
  const char **argv = calloc(count + 1, sizeof *argv);
  if (!argv) die("arguments");
  for (unsigned i = 0; i < count; i++) argv[i] = identity_get("arg", i);
  return argv;
}

static int become_program(int out, int err, char *problem, size_t size) {
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0); // shows the namespace's processes only
  child_reset();
  setsid();
  int in = open("/dev/null", O_RDONLY);
  dup2(in, 0), dup2(out, 1), dup2(err, 2);
  if (in > 2) close(in);
  // The program may open /dev/stdout again, which the kernel checks against the pipe's owner.
  if (fchown(1, program_user.uid, program_user.gid) || fchown(2, program_user.uid, program_user.gid) ||
      !user_become(&program_user)) {
    snprintf(problem, size, "cannot become user %u: %s", program_user.uid, strerror(errno));
    return 125;
  }
  const char *folder = identity_get("cwd", 0);
  if (folder && *folder && chdir(folder)) {
    snprintf(problem, size, "cannot enter the working directory %s: %s", folder, strerror(errno));
    return 125;
  }
  return launch(arguments(), &program_environment, problem, size);
}

static int open_namespace(pid_t of, const char *kind) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/%s", of, kind);
  return open(path, O_RDONLY | O_CLOEXEC);
}

void program_start(void) {
  char problem[512] = "";
  if (!user_find(identity_get("user", 0), &program_user, problem, sizeof problem))
    return program_fail(125, "%s", problem);
  prepare_environment();
  if (!prepare_folders()) return;
  int out[2], err[2], report[2];
  if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || pipe2(report, O_CLOEXEC)) die("pipe");
  oom_kills_before = oom_kills();
  own_pid_namespace = open_namespace(getpid(), "pid");
  pid = syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  if (pid < 0) die("clone");
  if (pid == 0) {
    int32_t code = become_program(out[1], err[1], problem, sizeof problem);
    if (write(report[1], &code, 4) == 4 && write(report[1], problem, strlen(problem)) < 0) _exit(125);
    _exit(code);
  }
  close(report[1]);
  pid_namespace = open_namespace(pid, "pid");
  mount_namespace = open_namespace(pid, "mnt");
  int32_t code; // the pipe is closed by a successful exec
  bool failed = read(report[0], &code, 4) == 4;
  if (failed && read(report[0], problem, sizeof problem - 1) < 0) problem[0] = 0;
  close(report[0]);
  if (failed) return program_fail(code, "%s", problem);
  program_outputs[0] = out[1], program_outputs[1] = err[1];
  state = RUNNING;
  log_follow(out[0], err[0]);
  program_tell();
  listeners_await();
}

static void on_grace_over(void) { kill(pid, SIGKILL); }

void program_stop(uint32_t grace_ms) {
  if (state == AWAITING_IDENTITY) power_off();
  if (state != RUNNING) return;
  const char *signal = identity_get("stopsignal", 0);
  kill(pid, signal ? atoi(signal) : SIGTERM);
  if (grace_ms == 0) return on_grace_over();
  if (!grace.watched) timer_open(&grace, on_grace_over);
  timer_set(&grace, grace_ms, 0);
}

// Only the children of the time between the two calls are born in the other namespace; init itself never moves.
int program_enter(void) {
  if (state != RUNNING || setns(pid_namespace, CLONE_NEWPID)) return -1;
  pid_t child = fork();
  if (child != 0) setns(own_pid_namespace, CLONE_NEWPID);
  return child;
}

void program_enter_mounts(void) { setns(mount_namespace, CLONE_NEWNS); }
