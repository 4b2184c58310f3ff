// Raises waking microVMs to real-time priority for their first 20 ms, so that a wake takes 2 ms with busy neighbours
// instead of 22; takes it back whatever happens to the agent.
//
// In:   commands of 8 bytes, {u32 process, u32 app}, native byte order. Each raises every thread of that process (one
//       is not enough: QEMU's helpers hold the rest up). App 0xffffffff is no app: it takes the process back at once,
//       for an agent that adopts what an earlier one raised.
// Out:  one line for each kind of problem, once. The first line says `ready` or `refused: reason`.
// Ends: with its input (the agent died), after taking everything back.
//
// At most half of the cores are given away at a time. When they are, an app that had clearly more of its share gives way to
// one that had less, any other wake gives way once it had its head start, and until then the new one waits: so an app
// that is woken all the time cannot keep others from their boost. An app pays with the CPU time that it used.
//
// While anybody is raised, idle cores stay awake too: a wake goes through a dozen threads, and each time the next one's
// core has to be brought back first (35 µs in a VM whose idle cores give way to its host, 3 µs without that).
//
// It runs at SCHED_RR 10, above what it raises: a boosted guest that spins cannot keep it from taking the boost back.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
  BOOST_PRIORITY = 4,          // below edge and agent (5): a boosted guest that spins must not keep them from their work
  BOOST_US = 20000,            // a wake's own work is done in a tenth of it, with slack for slow instances
  HEAD_START_US = 8000,        // by then a wake has sent its first byte
  CLEARLY_US = 10000,          // more of a difference than wakes of well-behaved apps make
  PATIENCE_US = 50000,         // who waited that long has woken without
  RETRY_US = 1000,
  WINDOW_US = 1000000,
  SLOT_US = 125000,
  SLOTS = 9,                   // one is being filled: the others are a second
  APP_SHARE_US = 50000,        // an app gets at most 5 % of a core at real-time priority
  MOST_BOOSTS = 64,
  MOST_WAITING = 64,
  APPS = 1024,                 // with a boost in the last second
  MOST_PROBES = 16,
  TAKE_BACK = 0xffffffff,
};

struct app { uint32_t key; int64_t slot; int32_t used_us[SLOTS], reserved_us; };
struct boost { uint32_t process; struct app *app; int64_t began, until, cpu_us; int32_t had_us, reserved_us; };
struct wait { uint32_t process, app; int64_t asked; };

static struct boost boosts[MOST_BOOSTS];
static struct wait waits[MOST_WAITING];
static int active, allowed, waiting;
static int latency_device = -1;
static int32_t latency_us;
static struct app apps[APPS];

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// CPU time of all threads of a process, as they say it of themselves (the kernel's id for that clock); 0 when it is gone.
static int64_t cpu_us(uint32_t process) {
  struct timespec used;
  if (clock_gettime((clockid_t)(~process << 3 | 2), &used)) return 0;
  return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
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

// Empties what is older than a second.
static void turn(struct app *app, int64_t now) {
  int64_t slot = now / SLOT_US;
  for (int steps = 0; app->slot < slot && steps < SLOTS; steps++) app->used_us[++app->slot % SLOTS] = 0;
  app->slot = slot;
}

// What the app had at real-time priority within the last second, and what it may have now.
static int32_t had_us(struct app *app, int64_t now) {
  turn(app, now);
  int32_t had = app->reserved_us;
  for (int i = 0; i < SLOTS; i++) had += app->used_us[i];
  return had;
}

static struct app *find_app(uint32_t key, int64_t now) {
  uint32_t start = key * 2654435761u; // Knuth's multiplicative hash
  struct app *empty = NULL;
  for (uint32_t i = 0; i < MOST_PROBES; i++) {
    struct app *app = &apps[(start + i) % APPS];
    if (had_us(app, now) == 0) empty = empty ? empty : app;
    else if (app->key == key) return app;
  }
  if (empty) *empty = (struct app){.key = key, .slot = now / SLOT_US};
  return empty;
}

static bool end_boost(int index, int64_t now) {
  struct boost *boost = &boosts[index];
  if (!take_back(boost->process)) return false;
  int64_t used = cpu_us(boost->process) - boost->cpu_us;
  turn(boost->app, now);
  boost->app->reserved_us -= boost->reserved_us;
  if (used > 0) boost->app->used_us[boost->app->slot % SLOTS] += (int32_t)(used < WINDOW_US ? used : WINDOW_US);
  *boost = boosts[--active];
  return true;
}

static void take_back_due(int64_t now) {
  for (int i = 0; i < active;) {
    if (boosts[i].until > now) i++;
    else if (!end_boost(i, now)) boosts[i++].until = now + RETRY_US;
  }
}

// The boost that gives way to an app which had so much already; -1: none does yet.
static int to_displace(int32_t had, int64_t now) {
  int chosen = -1;
  for (int i = 0; i < active; i++) {
    int64_t used = cpu_us(boosts[i].process) - boosts[i].cpu_us;
    bool had_more = boosts[i].had_us > had + CLEARLY_US, had_less = boosts[i].had_us + used + CLEARLY_US < had;
    if (!had_more && (had_less || now - boosts[i].began < HEAD_START_US)) continue;
    if (chosen < 0 || boosts[i].had_us > boosts[chosen].had_us) chosen = i;
  }
  return chosen;
}

// False if it has to wait for its turn.
static bool raise_process(uint32_t process, uint32_t key, int64_t now) {
  for (int i = 0; i < active; i++)
    if (boosts[i].process == process) return true;
  struct app *app = find_app(key, now);
  int32_t had = app ? had_us(app, now) : APP_SHARE_US, left = APP_SHARE_US - had;
  if (left <= 0) return true; // it had its share: it wakes as everybody else runs
  if (active >= allowed) {
    int chosen = to_displace(had, now);
    if (chosen < 0) return false;
    if (!end_boost(chosen, now)) {
      boosts[chosen].began = now; // asked again after a while, not all the time
      return false;
    }
  }
  int32_t granted = left < BOOST_US ? left : BOOST_US;
  app->reserved_us += granted;
  boosts[active++] = (struct boost){process, app, now, now + granted, cpu_us(process), had, granted};
  each_thread(process, SCHED_RR, BOOST_PRIORITY);
  return true;
}

// In the order in which they asked.
static void raise_waiting(int64_t now) {
  int left = 0;
  for (int i = 0; i < waiting; i++)
    if (now - waits[i].asked < PATIENCE_US && !raise_process(waits[i].process, waits[i].app, now)) waits[left++] = waits[i];
  waiting = left;
}

// Idle cores may sleep only as deep as they are back in time; the kernel forgets our wish when we end.
// Linux' Documentation/power/pm_qos_interface.rst
static void keep_cores_awake(bool wanted) {
  static bool are;
  if (latency_device < 0 || wanted == are) return;
  int32_t wish = wanted ? latency_us : -1; // -1: none
  if (write(latency_device, &wish, sizeof wish) == sizeof wish) are = wanted;
}

static void ask_to_raise(uint32_t process, uint32_t app) {
  int64_t now = now_us();
  keep_cores_awake(true);
  take_back_due(now);
  raise_waiting(now);
  if (!raise_process(process, app, now) && waiting < MOST_WAITING) waits[waiting++] = (struct wait){process, app, now};
}

static void take_back_now(uint32_t process) {
  int64_t now = now_us();
  for (int i = 0; i < waiting; i++)
    if (waits[i].process == process) waits[i--] = waits[--waiting];
  for (int i = 0; i < active; i++)
    if (boosts[i].process == process) boosts[i].until = now;
  take_back(process);
  take_back_due(now);
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
    if (waiting > 0 && head_start <= now) head_start = now + RETRY_US;
    if (waiting > 0 && head_start < next) next = head_start;
    if (next < earliest) earliest = next;
  }
  if (active == 0) return -1;
  return earliest <= now ? 0 : (int)((earliest - now + 999) / 1000);
}

// In a VM the shallowest sleep is to spin; on bare metal a core is back from its first one within 2 µs, at little power.
static void open_latency_device(void) {
  char driver[16] = "";
  int file = open("/sys/devices/system/cpu/cpuidle/current_driver", O_RDONLY | O_CLOEXEC);
  if (file >= 0 && read(file, driver, sizeof driver - 1) > 0) {
    latency_us = strncmp(driver, "haltpoll", 8) == 0 ? 0 : 2;
    latency_device = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
  }
  if (file >= 0) close(file);
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
  open_latency_device();
  unsigned char input[8 * 256];
  size_t filled = 0;
  for (;;) {
    keep_cores_awake(active > 0);
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
