// The log port: the program's output in frames, each one write of at most 32 KiB (see channel.c). A host that is
// slow holds the program up, as a full pipe does. While there is none, the newest 64 KiB are kept, older frames are
// dropped whole, and their bytes are counted for the next reader.
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "init.h"

enum { KEPT = 64 << 10, FRAME_HEAD = 5, PIECE = 16 << 10 };
enum { HELLO_ECHO = 0, STDOUT = 1, STDERR = 2, DROPPED = 3 };

static struct source port;
static struct presence host;
static struct source outputs[2];
static uint8_t kept[KEPT + FRAME_HEAD + PIECE];
static size_t length;
static uint64_t dropped_bytes;
static uint8_t hello[8];
static bool hello_waits; // its bytes may be here before the driver knows that a host is

static bool send_frame(uint8_t stream, const void *bytes, uint32_t count) {
  uint8_t frame[FRAME_HEAD + 8];
  uint32_t size = 1 + count;
  memcpy(frame, &size, 4);
  frame[4] = stream;
  memcpy(frame + FRAME_HEAD, bytes, count);
  return write(port.fd, frame, 4 + size) == (ssize_t)(4 + size);
}

static void take_off(size_t bytes) { memmove(kept, kept + bytes, length -= bytes); }

static void flush(void) {
  if (!host.greeted) return;
  if (hello_waits && !send_frame(HELLO_ECHO, hello, sizeof hello)) return;
  hello_waits = false;
  if (dropped_bytes && send_frame(DROPPED, &dropped_bytes, 8)) dropped_bytes = 0;
  size_t sent = 0;
  while (sent < length && !dropped_bytes) {
    size_t frame = 4 + get32(kept + sent);
    if (write(port.fd, kept + sent, frame) != (ssize_t)frame) break;
    sent += frame;
  }
  take_off(sent);
}

static void drop_oldest(void) {
  size_t dropped = 0;
  while (length - dropped > KEPT) {
    uint32_t frame = get32(kept + dropped);
    dropped_bytes += frame - 1;
    dropped += 4 + frame;
  }
  take_off(dropped);
}

// Reads one piece at a time, so that the loop looks at ctl between two pieces.
static void on_output(struct source *output, uint32_t events) {
  (void)events;
  if (length > KEPT && !host.greeted) drop_oldest();
  if (length > KEPT) return unwatch(output);
  uint8_t *frame = kept + length;
  ssize_t got = read(output->fd, frame + FRAME_HEAD, PIECE);
  if (got > 0) {
    uint32_t size = 1 + got;
    memcpy(frame, &size, 4);
    frame[4] = output == &outputs[0] ? STDOUT : STDERR;
    length += 4 + size;
    return flush();
  }
  if (got < 0 && (events & EPOLLHUP) == 0) return;
  unwatch(output);
  close(output->fd);
  output->fd = -1;
}

static void on_port(struct source *source, uint32_t events) {
  presence_update(&host, events);
  // A new reader says hello with 8 bytes, and skips everything before their echo; see spec/guest-protocol.md.
  while (read(source->fd, hello, sizeof hello) == sizeof hello) hello_waits = host.greeted = true;
  flush();
  if (length <= KEPT || !host.greeted) watch(&outputs[0]), watch(&outputs[1]);
}

void log_open(void) {
  outputs[0].fd = outputs[1].fd = -1;
  port = (struct source){port_open("log"), EPOLLIN | EPOLLOUT | EPOLLET, on_port, false};
  if (port.fd < 0) die("no port named log");
  watch(&port);
}

void log_follow(int stdout_fd, int stderr_fd) {
  const int fds[] = {stdout_fd, stderr_fd};
  for (int i = 0; i < 2; i++) {
    fcntl(fds[i], F_SETFL, O_NONBLOCK);
    outputs[i] = (struct source){fds[i], EPOLLIN, on_output, false};
    watch(&outputs[i]);
  }
}

bool log_at_end(void) { return outputs[0].fd < 0 && outputs[1].fd < 0; }
bool log_drained(void) { return length == 0 && !dropped_bytes; }
