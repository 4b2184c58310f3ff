// Exec sessions: commands inside the program's namespaces, as its user, each in a session of its own. Both directions
// have a window of 64 KiB that the receiver opens again with credit, so that no session holds up the channel.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "command.h"

enum { SESSIONS = 16, WINDOW = 64 << 10, PIECE = 16 << 10, TTY = 1 };

struct session {
  struct source out, err, in; // `in` is watched only while input waits for room
  bool used, tty, ended, input_over;
  uint32_t id;
  pid_t pid;
  int status;
  uint32_t window; // bytes of output that may still be sent
  uint8_t *input;
  size_t input_length;
};
static struct session sessions[SESSIONS];

static struct session *find(const uint8_t *payload, size_t length, size_t least) {
  for (int i = 0; length >= least && i < SESSIONS; i++)
    if (sessions[i].used && sessions[i].id == get32(payload)) return &sessions[i];
  return 0; // has just ended: the frame crossed its end on the way
}

static void send_end(uint32_t id, int32_t code) { channel_send(EXEC_EXIT, &id, 4, &code, 4); }

static void refuse(uint32_t id, const char *why) {
  uint8_t head[5] = {0, 0, 0, 0, 2};
  memcpy(head, &id, 4);
  channel_send(EXEC_OUTPUT, head, sizeof head, why, strlen(why));
  send_end(id, 125);
}

static void shut(struct source *source) {
  unwatch(source);
  if (source->fd >= 0) close(source->fd);
  source->fd = -1;
}

static void forget(struct session *session) {
  shut(&session->in), shut(&session->out), shut(&session->err);
  free(session->input);
  session->input = 0;
  session->used = false;
}

// Reads what there is, and says whether nothing more can come for now.
static bool pump(struct session *session, struct source *from, uint8_t stream) {
  static uint8_t piece[PIECE];
  if (from->fd < 0) return true;
  if (session->window == 0 || !channel_has_room()) return unwatch(from), false;
  ssize_t got = read(from->fd, piece, session->window < PIECE ? session->window : PIECE);
  if (got > 0) {
    uint8_t head[5] = {[4] = stream};
    memcpy(head, &session->id, 4);
    session->window -= got;
    channel_send(EXEC_OUTPUT, head, sizeof head, piece, got);
    return false;
  }
  if (got < 0 && errno == EAGAIN) return watch(from), true;
  shut(from); // end of file, or EIO of a terminal whose last user is gone
  return true;
}

// An ended session is over when its output is: what a child it left behind still writes is not waited for.
static void finish_if_over(struct session *session) {
  if (!session->ended) return;
  while (!pump(session, &session->out, 1))
    if (!session->out.watched) return;
  while (!pump(session, &session->err, 2))
    if (!session->err.watched) return;
  int status = session->status;
  send_end(session->id, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  forget(session);
}

static void on_output(struct source *source, uint32_t events) {
  (void)events;
  for (int i = 0; i < SESSIONS; i++) {
    if (source == &sessions[i].out) pump(&sessions[i], source, 1);
    if (source == &sessions[i].err) pump(&sessions[i], source, 2);
  }
}

static void feed(struct session *session) {
  if (session->in.fd < 0) session->input_length = 0;
  ssize_t taken = session->input_length ? write(session->in.fd, session->input, session->input_length) : 0;
  if (taken < 0 && errno != EAGAIN) taken = session->input_length; // nobody reads any more
  if (taken > 0) {
    memmove(session->input, session->input + taken, session->input_length -= taken);
    channel_send(EXEC_CREDITED, &session->id, 4, &(uint32_t){taken}, 4);
  }
  if (session->input_length) return watch(&session->in);
  unwatch(&session->in);
  if (session->input_over && !session->tty) shut(&session->in);
}

static void on_input_room(struct source *source, uint32_t events) {
  (void)events;
  for (int i = 0; i < SESSIONS; i++)
    if (source == &sessions[i].in) feed(&sessions[i]);
}

void exec_input(const uint8_t *payload, size_t length) {
  struct session *session = find(payload, length, 4);
  if (!session || session->input_over) return;
  size_t count = length - 4;
  if (count > WINDOW - session->input_length) return say("exec: more input than the window");
  memcpy(session->input + session->input_length, payload + 4, count);
  session->input_length += count;
  if (count == 0) {
    session->input_over = true;
    if (session->tty && session->input_length < WINDOW) session->input[session->input_length++] = 4; // ^D
  }
  feed(session);
}

void exec_credit(const uint8_t *payload, size_t length) {
  struct session *session = find(payload, length, 8);
  if (!session) return;
  session->window += get32(payload + 4);
  if (session->window > WINDOW) session->window = WINDOW;
  watch(&session->out), watch(&session->err);
  finish_if_over(session);
}

void exec_resume(void) {
  for (int i = 0; i < SESSIONS; i++) {
    struct session *session = &sessions[i];
    if (!session->used || session->window == 0) continue;
    watch(&session->out), watch(&session->err);
    finish_if_over(session);
  }
}

void exec_resize(const uint8_t *payload, size_t length) {
  struct session *session = find(payload, length, 8);
  if (!session || !session->tty || session->out.fd < 0) return;
  struct winsize size = {.ws_row = payload[4] | payload[5] << 8, .ws_col = payload[6] | payload[7] << 8};
  ioctl(session->out.fd, TIOCSWINSZ, &size);
}

static void end_session(struct session *session) {
  if (!session->ended) kill(-session->pid, SIGKILL), kill(session->pid, SIGKILL); // the group may not exist yet
  forget(session); // its exit is reaped without anybody to be told
}

void exec_kill(const uint8_t *payload, size_t length) {
  struct session *session = find(payload, length, 4);
  if (session) end_session(session);
}

void exec_kill_all(void) {
  for (int i = 0; i < SESSIONS; i++)
    if (sessions[i].used) end_session(&sessions[i]);
}

bool exec_reaped(pid_t pid, int status) {
  for (int i = 0; i < SESSIONS; i++) {
    struct session *session = &sessions[i];
    if (!session->used || session->ended || session->pid != pid) continue;
    session->ended = true;
    session->status = status;
    finish_if_over(session);
    return true;
  }
  return false;
}

static void open_session(struct session *session, const uint8_t *payload, const char *const *argv,
                         const struct environment *environment) {
  uint32_t id = get32(payload);
  bool tty = payload[4] & TTY;
  struct streams own, child;
  uint8_t *input = malloc(WINDOW);
  if (!input || !streams_open(tty, payload + 5, &own, &child)) {
    free(input);
    return refuse(id, "the guest has no resources left for another session\n");
  }
  pid_t pid = program_enter();
  if (pid == 0) command_become(tty, child, argv, environment);
  streams_close(&child);
  if (pid < 0) {
    streams_close(&own);
    free(input);
    return refuse(id, "the program is not running\n");
  }
  *session = (struct session){
    .out = {own.out, EPOLLIN, on_output, false},
    .err = {own.err, EPOLLIN, on_output, false},
    .in = {own.in, EPOLLOUT, on_input_room, false},
    .used = true, .tty = tty, .id = id, .pid = pid, .window = WINDOW, .input = input,
  };
  watch(&session->out), watch(&session->err);
}

// payload: u32 session · u8 flags · u16 rows · u16 columns · records `env=…` and `arg=…`
void exec_start(const uint8_t *payload, size_t length) {
  enum { HEAD = 9 };
  if (length < HEAD || payload[length - 1] != 0) return say("exec: a start without a command");
  struct session *session = 0;
  for (int i = 0; i < SESSIONS && !session; i++)
    if (!sessions[i].used) session = &sessions[i];
  if (!session) return refuse(get32(payload), "too many sessions: at most 16 at once\n");

  struct environment environment = {0};
  environment_copy(&environment, &program_environment);
  const char **argv = calloc(length, sizeof *argv), **next = argv;
  if (!argv) return refuse(get32(payload), "the guest has no memory left\n");
  const char *end = (const char *)payload + length;
  for (const char *record = (const char *)payload + HEAD; record < end; record += strlen(record) + 1) {
    if (!strncmp(record, "env=", 4)) environment_set(&environment, record + 4);
    if (!strncmp(record, "arg=", 4)) *next++ = record + 4;
  }
  open_session(session, payload, argv, &environment);
  free(argv);
  free(environment.entries);
}
