// Raises waking microVMs to real-time priority for their first 20 ms, so that a wake takes 2 ms with busy neighbours
// instead of 22; takes it back whatever happens to the agent.
//
// In:   commands of 8 bytes, {u32 process, u32 app}, native byte order. Each raises every thread of that process (one
//       is not enough: QEMU's helpers hold the rest up). App 0xffffffff is no app: it takes the process back at once,
//       for an agent that adopts what an earlier one raised.
// Out:  one line for each kind of problem, once. The first line says `ready` or `refused: reason`.
// Ends: with its input (the agent died), after taking everything back.
//
// It runs at SCHED_RR 10, above what it raises (5): a boosted guest that spins cannot keep it from taking the boost back.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
  OWN_PRIORITY = 10,
  BOOST_PRIORITY = 5,
  BOOST_US = 20000,            // a wake's own work is done in a tenth of it, with slack for slow instances
  WINDOW_US = 1000000,
  APP_WINDOW_US = 50000,       // an app gets at most 5 % of a core at real-time priority
  MOST_BOOSTS = 64,
  APPS = 1024,                 // remembered at the same time, by a hash of their key; strangers that meet share a window
  TAKE_BACK = 0xffffffff,
};

struct boost { uint32_t process; int64_t until; };
struct window { int64_t start; int32_t used; };

static struct boost boosts[MOST_BOOSTS];
static int active, allowed;
static struct window windows[APPS];

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void report(const char *what, int reason) {
  static int told[8];
  static unsigned count;
  for (unsigned i = 0; i < count; i++) if (told[i] == reason) return;
  if (count < sizeof told / sizeof *told) told[count++] = reason;
  char line[160];
  int length = snprintf(line, sizeof line, "%s: %s\n", what, strerror(reason));
  if (write(1, line, (size_t)length) < 0) return; // the agent is gone; the end of our input says so as well
}

// musl refuses sched_setscheduler, since POSIX means the process by it; Linux means the thread, which is what we want.
static int schedule(pid_t thread, int policy, int priority) {
  struct sched_param parameters = {.sched_priority = priority};
  return (int)syscall(SYS_sched_setscheduler, thread, policy, &parameters);
}

static void each_thread(uint32_t process, int policy, int priority) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%u/task", process);
  DIR *tasks = opendir(path);
  if (!tasks) return; // ended meanwhile
  for (struct dirent *task; (task = readdir(tasks));) {
    if (task->d_name[0] < '0' || task->d_name[0] > '9') continue;
    if (schedule(atoi(task->d_name), policy, priority) && errno != ESRCH) report("cannot schedule a thread", errno);
  }
  closedir(tasks);
}

// Threads made by a raised thread are raised as well (real-time priority is inherited); a second look finds those
// that came while the first was reading.
static void take_back(uint32_t process) {
  each_thread(process, SCHED_OTHER, 0);
  each_thread(process, SCHED_OTHER, 0);
}

static void take_back_due(int64_t now) {
  for (int i = 0; i < active;) {
    if (boosts[i].until > now) {
      i++;
      continue;
    }
    take_back(boosts[i].process);
    boosts[i] = boosts[--active];
  }
}

// Boosts are paid in full when they begin: an app that asks for a third within a second gets a part of it, then none.
static int64_t granted_us(uint32_t app, int64_t now) {
  struct window *window = &windows[(app * 2654435761u) % APPS];
  if (now - window->start >= WINDOW_US) *window = (struct window){.start = now};
  int64_t left = APP_WINDOW_US - window->used, granted = left < BOOST_US ? left : BOOST_US;
  if (granted > 0) window->used += (int32_t)granted;
  return granted;
}

// When all places are taken, the new one goes without: those that have begun are nearer to their first byte.
static void raise_process(uint32_t process, uint32_t app) {
  int64_t now = now_us();
  take_back_due(now);
  for (int i = 0; i < active; i++)
    if (boosts[i].process == process) return;
  if (active >= allowed) return;
  int64_t granted = granted_us(app, now);
  if (granted <= 0) return;
  boosts[active++] = (struct boost){.process = process, .until = now + granted};
  each_thread(process, SCHED_RR, BOOST_PRIORITY);
}

static void take_back_now(uint32_t process) {
  for (int i = 0; i < active; i++)
    if (boosts[i].process == process) boosts[i] = boosts[--active];
  take_back(process);
}

static void obey(const uint32_t command[2]) {
  if (command[0] == 0 || command[0] > INT32_MAX) return;
  if (command[1] == TAKE_BACK) take_back_now(command[0]);
  else raise_process(command[0], command[1]);
}

static int next_deadline_ms(void) {
  int64_t earliest = INT64_MAX, now = now_us();
  for (int i = 0; i < active; i++) if (boosts[i].until < earliest) earliest = boosts[i].until;
  if (active == 0) return -1;
  return earliest <= now ? 0 : (int)((earliest - now + 999) / 1000);
}

// A thread of SCHED_RR is refused in a cgroup v1 `cpu` group without a real-time budget, and without CAP_SYS_NICE.
static int probe(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN); // a terminal's Ctrl-C goes to the whole group; our end is the end of the input
  signal(SIGHUP, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  allowed = cores < 1 ? 1 : (int)((cores + 1) / 2);
  if (allowed > MOST_BOOSTS) allowed = MOST_BOOSTS;
  int refused = schedule(0, SCHED_RR, OWN_PRIORITY) ? errno : 0;
  mlockall(MCL_CURRENT | MCL_FUTURE); // where it is not allowed we are merely slower when memory is short
  char line[160];
  int length = refused ? snprintf(line, sizeof line, "refused: %s\n", strerror(refused)) : snprintf(line, sizeof line, "ready\n");
  return write(1, line, (size_t)length) == length && !refused;
}

int main(void) {
  if (!probe()) return 1;
  unsigned char input[8 * 256];
  size_t filled = 0;
  for (;;) {
    struct pollfd agent = {.fd = 0, .events = POLLIN};
    int ready = poll(&agent, 1, next_deadline_ms());
    take_back_due(now_us());
    if (ready <= 0) continue;
    ssize_t count = read(0, input + filled, sizeof input - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    filled += (size_t)count;
    size_t used = 0;
    for (; filled - used >= 8; used += 8) {
      uint32_t command[2];
      memcpy(command, input + used, sizeof command);
      obey(command);
    }
    memmove(input, input + used, filled -= used);
  }
  while (active > 0) take_back(boosts[--active].process);
  return 0;
}
