// Who listens on which TCP port. Looked at every 15 ms until an awaited port is open to the outside, and after that
// only when the host asks: a guest that is ready has no timer.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "init.h"

enum { POLL_MS = 15, MANY = 256, LOOPBACK = 1, IPV6 = 2 };

struct listener {
  uint16_t port;
  uint8_t flags;
} __attribute__((packed));

static struct listener last[MANY];
static int last_count = -1;
static struct source timer;

static bool is_loopback(const char *address) {
  size_t length = strlen(address);
  if (length == 8) return !strcmp(address + 6, "7F"); // 127.0.0.0/8, little endian
  return !strcmp(address, "00000000000000000000000001000000") ||
         (!strncmp(address, "0000000000000000FFFF0000", 24) && !strcmp(address + 30, "7F"));
}

// A port that is open both ways counts as open to the outside.
static int add(struct listener *list, int count, uint16_t port, uint8_t flags) {
  for (int i = 0; i < count; i++) {
    if (list[i].port != port || (list[i].flags & IPV6) != (flags & IPV6)) continue;
    list[i].flags &= flags | IPV6;
    return count;
  }
  if (count < MANY) list[count++] = (struct listener){port, flags};
  return count;
}

static int add_from(const char *path, uint8_t flags, struct listener *list, int count) {
  char line[256], address[40];
  FILE *table = fopen(path, "re");
  if (!table) return count;
  while (fgets(line, sizeof line, table)) {
    unsigned port, status;
    if (sscanf(line, " %*d: %39[0-9A-F]:%x %*[0-9A-F]:%*x %x", address, &port, &status) != 3) continue;
    if (status != 0x0A) break; // listeners come first, established connections after them
    count = add(list, count, port, flags | (is_loopback(address) ? LOOPBACK : 0));
  }
  fclose(table);
  return count;
}

static int look(struct listener *list) {
  return add_from("/proc/net/tcp6", IPV6, list, add_from("/proc/net/tcp", 0, list, 0));
}

static void tell(const struct listener *list, uint16_t count) {
  channel_send(LISTENING, &count, 2, list, count * sizeof *list);
}

void listeners_send(void) {
  struct listener list[MANY];
  tell(list, look(list));
}

static bool is_awaited(const struct listener *listener) {
  if (listener->flags & LOOPBACK) return false;
  const char *port = identity_get("port", 0);
  if (!port) return true;
  for (unsigned i = 0; (port = identity_get("port", i)); i++)
    if (atoi(port) == listener->port) return true;
  return false;
}

static void on_tick(void) {
  struct listener list[MANY];
  int count = look(list);
  if (count == last_count && !memcmp(list, last, count * sizeof *list)) return;
  last_count = count;
  memcpy(last, list, count * sizeof *list);
  tell(list, count);
  for (int i = 0; i < count; i++)
    if (is_awaited(&list[i])) return timer_set(&timer, 0, 0);
}

void listeners_await(void) {
  timer_open(&timer, on_tick);
  timer_set(&timer, POLL_MS, POLL_MS);
}
