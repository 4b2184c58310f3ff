// The ctl port. Every frame to the host is one write of at most 32 KiB: the driver takes it whole or not at all,
// so a frame never has to be continued, and the clock's acknowledgement may overtake what waits in the queue.
//
// Edge-triggered on purpose: while the host is away the port reports POLLHUP for ever, and a level-triggered loop
// would spin. The driver wakes us when the host comes or goes, and when it has taken something off the queue.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "init.h"

enum { QUEUE_MAX = 128 << 10, ROOM = 48 << 10 };

static struct source port;
static struct presence host;
static uint8_t in[4 + FRAME_MAX];
static size_t in_length;
static uint8_t queue[QUEUE_MAX]; // whole frames
static size_t queue_length;
static uint8_t ack[13] = {9, 0, 0, 0, CLOCK_ACK};
static bool ack_waits;

static void flush(void) {
  if (!host.greeted) return;
  if (ack_waits && write(port.fd, ack, sizeof ack) == sizeof ack) ack_waits = false;
  size_t sent = 0;
  while (sent < queue_length && !ack_waits) {
    size_t length = 4 + get32(queue + sent);
    if (write(port.fd, queue + sent, length) != (ssize_t)length) break;
    sent += length;
  }
  memmove(queue, queue + sent, queue_length -= sent);
}

bool channel_has_room(void) { return queue_length <= QUEUE_MAX - ROOM; }
bool channel_drained(void) { return queue_length == 0; }

bool channel_send(enum to_host type, const void *head, size_t head_length, const void *body, size_t body_length) {
  uint32_t length = 1 + head_length + body_length;
  if (4 + length > FRAME_OUT_MAX || queue_length + 4 + length > QUEUE_MAX) {
    say("a frame of type %#x was dropped", type);
    return false;
  }
  uint8_t *frame = queue + queue_length;
  memcpy(frame, &length, 4);
  frame[4] = type;
  if (head_length) memcpy(frame + 5, head, head_length);
  if (body_length) memcpy(frame + 5 + head_length, body, body_length);
  queue_length += 4 + length;
  flush();
  return true;
}

// A host that has just come (perhaps after another died in mid-frame) skips everything before the echo. The same hello
// once more is of the same host: what was begun for it goes on.
static void on_hello(const uint8_t *nonce) {
  static uint8_t known[8];
  bool is_new = memcmp(known, nonce, sizeof known);
  host.greeted = true;
  if (!is_new) {
    channel_send(HELLO_ACK, nonce, 8, 0, 0);
    return;
  }
  memcpy(known, nonce, sizeof known);
  queue_length = 0;
  ack_waits = false;
  exec_kill_all();
  rest_forget();
  channel_send(HELLO_ACK, nonce, 8, 0, 0);
  program_tell();
  stay_awake_tell();
}

static void on_clock(const uint8_t *payload) {
  clock_apply(get64(payload + 8));
  memcpy(ack + 5, payload, 8);
  ack_waits = write(port.fd, ack, sizeof ack) != sizeof ack;
  rest_over();
}

static void on_frame(uint8_t type, const uint8_t *payload, size_t length) {
  switch (type) {
    case CLOCK:
      if (length == 16) return on_clock(payload);
      break;
    case HELLO:
      if (length == 8) return on_hello(payload);
      break;
    case REST:
      if (length == 9) return rest_asked(payload);
      break;
    case STOP:
      if (length == 4) return program_stop(get32(payload));
      break;
    case COPY: return copy_apply(payload, length);
    case IDENTITY: return identity_apply(payload, length);
    case LISTENERS: return listeners_send();
    case EXEC_START: return exec_start(payload, length);
    case EXEC_INPUT: return exec_input(payload, length);
    case EXEC_RESIZE: return exec_resize(payload, length);
    case EXEC_KILL: return exec_kill(payload, length);
    case EXEC_CREDIT: return exec_credit(payload, length);
  }
  say("ctl: a frame of type %#x and %zu bytes makes no sense", type, length);
}

static void take_frames(void) {
  size_t taken = 0;
  while (in_length - taken >= 4) {
    uint32_t length = get32(in + taken);
    if (length < 1 || length > FRAME_MAX) {
      errno = EPROTO;
      die("ctl: length of a frame");
    }
    if (in_length - taken < 4 + length) break;
    on_frame(in[taken + 4], in + taken + 5, length - 1);
    taken += 4 + length;
  }
  memmove(in, in + taken, in_length -= taken);
}

static void on_port(struct source *source, uint32_t events) {
  presence_update(&host, events);
  ssize_t got;
  while ((got = read(source->fd, in + in_length, sizeof in - in_length)) > 0) {
    in_length += got;
    take_frames();
  }
  if (got == 0) in_length = 0; // the host is gone, and will not finish what it began
  flush();
  if (channel_has_room()) exec_resume();
}

void channel_open(void) {
  port = (struct source){port_open("ctl"), EPOLLIN | EPOLLOUT | EPOLLET, on_port, false};
  if (port.fd < 0) die("no port named ctl");
  loop_first(&port);
  watch(&port);
}
