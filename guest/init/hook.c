// The image's own programs for the moments around a sleep: /etc/littlecloud/hooks/sleep, wake and clone. They run like an
// exec session (the program's namespaces, user, folder and environment), one at a time, and write to the program's log.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "command.h"

enum { LONGEST_MS = 5000 };

static const char *const paths[] = {
  [HOOK_SLEEP] = "/etc/littlecloud/hooks/sleep",
  [HOOK_WAKE] = "/etc/littlecloud/hooks/wake",
  [HOOK_CLONE] = "/etc/littlecloud/hooks/clone",
};

static pid_t running;
static enum hook which;
static bool too_long;
static struct source deadline;
static void (*on_end)(void);

bool hook_exists(enum hook hook) { return access(paths[hook], X_OK) == 0; }
bool hook_runs(void) { return running > 0; }

static void on_deadline(void) {
  too_long = true;
  kill(-running, SIGKILL), kill(running, SIGKILL); // the group may not exist yet
}

bool hook_start(enum hook hook, void (*ended)(void)) {
  int in[2];
  if (pipe2(in, O_CLOEXEC)) return false;
  close(in[1]); // its input is at its end
  const char *const argv[] = {paths[hook], 0};
  running = program_enter();
  if (running == 0)
    command_become(false, (struct streams){in[0], program_outputs[0], program_outputs[1]}, argv, &program_environment);
  close(in[0]);
  if (running < 0) return false;
  which = hook;
  on_end = ended;
  too_long = false;
  if (deadline.fd <= 0) timer_open(&deadline, on_deadline);
  timer_set(&deadline, LONGEST_MS, 0);
  return true;
}

bool hook_reaped(pid_t pid, int status) {
  if (running <= 0 || pid != running) return false;
  running = 0;
  timer_set(&deadline, 0, 0);
  int32_t code = too_long ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code) channel_send(HOOK_FAILED, &(uint8_t){which}, 1, &code, 4);
  on_end();
  return true;
}
