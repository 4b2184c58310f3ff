// Raises waking microVMs to real-time priority for their first 20 ms, so that a wake takes 2 ms with busy neighbours
// instead of 22; takes it back whatever happens to the agent.
//
// In:   commands of 8 bytes, {u32 process, u32 app}, native byte order. Each raises every thread of that process (one
//       is not enough: QEMU's helpers hold the rest up). App 0xffffffff is no app: it takes the process back at once,
//       for an agent that adopts what an earlier one raised.
// Out:  one line for each kind of problem, once. The first line says `ready` or `refused: reason`.
// Ends: with its input (the agent died), after taking everything back.
//
// At most half of the cores are given away at a time. When they are, a wake whose app had more of its share already gives
// way to one whose app had less, any wake gives way once it had its head start, and until then the new one waits: so an
// app that is woken all the time cannot keep others from their boost.
//
// It runs at SCHED_RR 10, above what it raises (5): a boosted guest that spins cannot keep it from taking the boost back.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
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
  HEAD_START_US = 6000,        // by then most wakes have sent their first byte
  RETRY_US = 1000,
  WINDOW_US = 1000000,
  APP_WINDOW_US = 50000,       // an app gets at most 5 % of a core at real-time priority
  MOST_BOOSTS = 64,
  MOST_WAITING = 64,
  APP_BOOSTS = 3,              // that fit into APP_WINDOW_US: 20, 20 and what is left
  APPS = 1024,                 // with a boost in the last second
  MOST_PROBES = 16,
  TAKE_BACK = 0xffffffff,
};

struct payment { int64_t until; int32_t us; };
struct app { uint32_t key; struct payment payments[APP_BOOSTS]; };
struct boost { uint32_t process; int64_t began, until; int32_t had_us; struct payment *payment; };
struct wait { uint32_t process, app; int64_t asked; };

static struct boost boosts[MOST_BOOSTS];
static struct wait waits[MOST_WAITING];
static int active, allowed, waiting;
static struct app apps[APPS];

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

// Returns how many threads were not as wanted before.
static int each_thread(uint32_t process, int policy, int priority) {
  char path[32];
  int changed = 0;
  snprintf(path, sizeof path, "/proc/%u/task", process);
  DIR *tasks = opendir(path);
  if (!tasks) return 0; // ended meanwhile
  for (struct dirent *task; (task = readdir(tasks));) {
    pid_t thread = atoi(task->d_name);
    if (thread <= 0 || syscall(SYS_sched_getscheduler, thread) == policy) continue;
    if (!schedule(thread, policy, priority)) changed++;
    else if (errno != ESRCH) report("cannot schedule a thread", errno);
  }
  closedir(tasks);
  return changed;
}

// Threads that a raised thread makes are raised as well: the priority is inherited, which a wake's I/O helpers need.
// So look until none is found; a process that makes them faster than we look is asked again a moment later.
static bool take_back(uint32_t process) {
  for (int passes = 0; passes < 16; passes++)
    if (each_thread(process, SCHED_OTHER, 0) == 0) return true;
  report("a process makes threads faster than they are taken back", EAGAIN);
  return false;
}

static void take_back_due(int64_t now) {
  for (int i = 0; i < active;) {
    if (boosts[i].until > now) {
      i++;
      continue;
    }
    if (take_back(boosts[i].process)) boosts[i] = boosts[--active];
    else boosts[i++].until = now + RETRY_US;
  }
}

static bool forgotten(const struct app *app, int64_t now) {
  for (int i = 0; i < APP_BOOSTS; i++)
    if (app->payments[i].until + WINDOW_US > now) return false;
  return true;
}

static struct app *find_app(uint32_t key, int64_t now) {
  uint32_t start = key * 2654435761u; // Knuth's multiplicative hash
  struct app *empty = NULL;
  for (uint32_t i = 0; i < MOST_PROBES; i++) {
    struct app *app = &apps[(start + i) % APPS];
    if (forgotten(app, now)) empty = empty ? empty : app;
    else if (app->key == key) return app;
  }
  if (empty) *empty = (struct app){.key = key};
  return empty;
}

// What the app had at real-time priority within the last second.
static int32_t had_us(const struct app *app, int64_t now) {
  int32_t had = 0;
  for (int i = 0; i < APP_BOOSTS; i++)
    if (app->payments[i].until + WINDOW_US > now) had += app->payments[i].us;
  return had;
}

// Boosts are paid in full when they begin, and for a second from their end: in no second has an app more than its
// share. One that asks for more gets what is left of it, then none.
static struct payment *pay(struct app *app, int64_t now) {
  int32_t left = APP_WINDOW_US - had_us(app, now);
  for (int i = 0; left > 0 && i < APP_BOOSTS; i++) {
    if (app->payments[i].until + WINDOW_US > now) continue;
    int32_t granted = left < BOOST_US ? left : BOOST_US;
    app->payments[i] = (struct payment){.until = now + granted, .us = granted};
    return &app->payments[i];
  }
  return NULL;
}

// Ends one before its time; the app has paid no more than it had.
static bool displace(int index, int64_t now) {
  struct boost ended = boosts[index];
  if (!take_back(ended.process)) {
    boosts[index].began = now; // asked again after a while, not all the time
    return false;
  }
  ended.payment->us = (int32_t)(now - ended.began);
  ended.payment->until = now;
  boosts[index] = boosts[--active];
  return true;
}

// The one that gives way to an app that had so much already: of those that may be asked to, the one whose app had most.
static int to_displace(int32_t had, int64_t now) {
  int chosen = -1;
  for (int i = 0; i < active; i++) {
    bool gives_way = boosts[i].had_us > had || now - boosts[i].began >= HEAD_START_US;
    if (gives_way && (chosen < 0 || boosts[i].had_us > boosts[chosen].had_us)) chosen = i;
  }
  return chosen;
}

// False if it has to wait for its turn.
static bool raise_process(uint32_t process, uint32_t key, int64_t now) {
  for (int i = 0; i < active; i++)
    if (boosts[i].process == process) return true;
  struct app *app = find_app(key, now);
  if (!app || had_us(app, now) >= APP_WINDOW_US) return true; // it had its share: it wakes as everybody else runs
  int32_t had = had_us(app, now);
  if (active >= allowed) {
    int chosen = to_displace(had, now);
    if (chosen < 0 || !displace(chosen, now)) return false;
  }
  struct payment *payment = pay(app, now);
  if (!payment) return true;
  boosts[active++] = (struct boost){process, now, payment->until, had, payment};
  each_thread(process, SCHED_RR, BOOST_PRIORITY);
  return true;
}

// In the order in which they asked. Whoever has waited for as long as a boost takes has woken without one.
static void raise_waiting(int64_t now) {
  int left = 0;
  for (int i = 0; i < waiting; i++)
    if (now - waits[i].asked < BOOST_US && !raise_process(waits[i].process, waits[i].app, now)) waits[left++] = waits[i];
  waiting = left;
}

static void ask_to_raise(uint32_t process, uint32_t app) {
  int64_t now = now_us();
  take_back_due(now);
  raise_waiting(now);
  if (!raise_process(process, app, now) && waiting < MOST_WAITING) waits[waiting++] = (struct wait){process, app, now};
}

static void take_back_now(uint32_t process) {
  for (int i = 0; i < waiting; i++)
    if (waits[i].process == process) waits[i--] = waits[--waiting];
  for (int i = 0; i < active; i++)
    if (boosts[i].process == process) boosts[i--] = boosts[--active];
  take_back(process);
}

static void obey(const uint32_t command[2]) {
  if (command[0] == 0 || command[0] > INT32_MAX) return;
  if (command[1] == TAKE_BACK) take_back_now(command[0]);
  else ask_to_raise(command[0], command[1]);
}

static int next_deadline_ms(void) {
  int64_t earliest = INT64_MAX, now = now_us();
  for (int i = 0; i < active; i++) {
    int64_t next = boosts[i].until, head_start = boosts[i].began + HEAD_START_US;
    if (waiting > 0 && head_start < next) next = head_start;
    if (next < earliest) earliest = next;
  }
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
    int64_t now = now_us();
    take_back_due(now);
    raise_waiting(now);
    if (ready <= 0) continue;
    ssize_t count = read(0, input + filled, sizeof input - filled);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
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
  for (int i = 0; i < active; i++) boosts[i].until = 0;
  while (active > 0) take_back_due(now_us());
  return 0;
}
