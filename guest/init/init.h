// What the parts of init offer each other. main.c is the story; spec/guest-protocol.md is the wire.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// loop.c: one thread, one epoll, no timer unless something is being awaited.
struct source {
  int fd;
  uint32_t events;
  void (*ready)(struct source *, uint32_t events);
  bool watched;
};
void loop_first(struct source *source); // handled before all others of a round: the clock must not queue
void watch(struct source *source);
void unwatch(struct source *source);
_Noreturn void loop_run(void);

// timer.c: a timerfd as a source; an interval of 0 turns it off.
void timer_open(struct source *timer, void (*tick)(void));
void timer_set(struct source *timer, unsigned first_ms, unsigned every_ms);

// channel.c: the ctl port.
enum { FRAME_MAX = 1 << 20, FRAME_OUT_MAX = 32 << 10 };
enum to_guest { IDENTITY = 1, CLOCK, STOP, LISTENERS, EXEC_START, EXEC_INPUT, EXEC_RESIZE, EXEC_KILL, EXEC_CREDIT, HELLO, REST, COPY };
enum to_host {
  WAITING = 0x81, STARTED, LISTENING, CLOCK_ACK, EXITED, FAILED, EXEC_OUTPUT, EXEC_EXIT, EXEC_CREDITED, HELLO_ACK,
  RESTING, STAY_AWAKE, HOOK_FAILED, COPIED
};
void channel_open(void);
bool channel_send(enum to_host type, const void *head, size_t head_len, const void *body, size_t body_len);
bool channel_has_room(void); // for another frame of exec output
bool channel_drained(void);

// log.c: the log port; keeps the last 64 KiB while nobody reads.
void log_open(void);
void log_follow(int stdout_fd, int stderr_fd);
bool log_at_end(void); // both of the program's outputs are closed
bool log_drained(void);

// port.c: opens the virtio-serial port of that name, and keeps track of who is at its other end.
int port_open(const char *name);
struct presence {
  bool away;    // no host is connected
  bool greeted; // the host has said hello: it would skip whatever came before
};
void presence_update(struct presence *presence, uint32_t events);

// identity.c: the records that make a restored template into an instance.
void identity_apply(const uint8_t *payload, size_t length);
void identity_renew(const uint8_t *payload, size_t length); // these records come before the old ones
const char *identity_get(const char *key, unsigned index);

// clock.c
void clock_apply(int64_t ns);
void entropy_mix(const char *hex);

// mounts.c, modules.c, network.c, etc.c
extern int devices; // the kernel's own /dev, out of the program's sight
void mounts_early(void);
void mounts_root(void);
void modules_load(void);
void network_loopback(void);
void network_up(void);
void etc_write(const char *hostname);
void sysctl_defaults(void);

// user.c: as `docker run --user` reads the image's passwd and group.
enum { GROUPS_MAX = 64 };
struct user {
  uid_t uid;
  gid_t gid;
  gid_t groups[GROUPS_MAX];
  int group_count;
  char home[256];
};
bool user_find(const char *spec, struct user *user, char *problem, size_t size);
bool user_become(const struct user *user);

// environment.c: NULL-terminated, later values of a name win.
struct environment {
  const char **entries;
  size_t count;
};
void environment_set(struct environment *environment, const char *entry);
const char *environment_get(const struct environment *environment, const char *name);
void environment_copy(struct environment *to, const struct environment *from);

// launch.c: the last steps of a child. Returns only if it cannot run, with a shell's exit code and a sentence.
int launch(const char *const *argv, const struct environment *environment, char *problem, size_t size);
void child_reset(void); // signals, limits and OOM score that init changed for itself
bool folder_make(const char *path); // with its parents, root's and 0755, as Docker does

// program.c: the image's program, its life and the end of it.
extern struct user program_user;
extern struct environment program_environment;
void program_start(void);
void program_stop(uint32_t grace_ms);
void program_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void program_tell(void); // sends the present state again, to a host that has just come
int program_enter(void); // fork into its namespaces: the child gets 0; -1 when it does not run
void program_enter_mounts(void);

extern int program_outputs[2]; // where the program writes, for hooks that write there too

// stay_awake.c
void stay_awake_open(void);
bool stay_awake_wanted(void);
void stay_awake_tell(void);

// hook.c
enum hook { HOOK_SLEEP = 1, HOOK_WAKE, HOOK_CLONE };
bool hook_exists(enum hook hook);
bool hook_runs(void);
bool hook_start(enum hook hook, void (*ended)(void)); // false: it could not be started, and `ended` is not called
bool hook_reaped(pid_t pid, int status);

// rest.c
void rest_asked(const uint8_t *payload);
void rest_over(void); // the host has set the clock: the instance is wanted
void rest_forget(void); // the host that asked is gone

// copy.c and connections.c
void copy_apply(const uint8_t *payload, size_t length);
void connections_reset(void);

// reap.c: every child that ended.
void reap_open(void);
void program_reaped(pid_t pid, int status);

// listeners.c
void listeners_await(void);
void listeners_send(void);

// exec.c: sessions inside the program's namespaces.
void exec_start(const uint8_t *payload, size_t length);
void exec_input(const uint8_t *payload, size_t length);
void exec_resize(const uint8_t *payload, size_t length);
void exec_kill(const uint8_t *payload, size_t length);
void exec_credit(const uint8_t *payload, size_t length);
void exec_kill_all(void);
void exec_resume(void); // the channel has room again
bool exec_reaped(pid_t pid, int status);

// file.c and say.c
char *file_read(const char *path); // NUL-terminated, to be freed; NULL if it cannot be read
bool file_write(const char *path, const char *text);
void say(const char *format, ...) __attribute__((format(printf, 1, 2))); // to the kernel's log
_Noreturn void die(const char *what);
_Noreturn void power_off(void);

static inline uint32_t get32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
static inline uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }
