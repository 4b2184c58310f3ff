// A small HTTP/1.1 server: says hello, how many requests it has had since it was started, and for how long it has run.
// `server` serves on $PORT (8080); `server --healthy` asks a running one, for HEALTHCHECK.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <netinet/tcp.h>

enum { HEAD_BYTES = 16 * 1024, STACK_BYTES = 128 * 1024 };

static atomic_ulong requests;
static struct timespec began;

static double uptime_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now); // stands still while the instance is asleep
  return (now.tv_sec - began.tv_sec) + (now.tv_nsec - began.tv_nsec) / 1e9;
}

static int write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t count = write(fd, bytes, length);
    if (count <= 0) return -1;
    bytes += count;
    length -= count;
  }
  return 0;
}

static int respond(int fd, const char *status, const char *body, int with_body, int keep) {
  char reply[1024];
  int length = snprintf(reply, sizeof reply,
                        "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s",
                        status, strlen(body), keep ? "keep-alive" : "close", with_body ? body : "");
  return write_all(fd, reply, length);
}

// The value of a header in a head that ends with an empty line; NULL if it is not there.
static const char *header(const char *head, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, length) == 0 && line[length] == ':') return line + length + 1 + strspn(line + length + 1, " \t");
  }
  return NULL;
}

// Answers one request; returns whether the connection stays open.
static int answer(int fd, const char *head) {
  char method[16], path[1024], body[256], version;
  if (sscanf(head, "%15s %1023s HTTP/1.%c", method, path, &version) != 3) {
    respond(fd, "400 Bad Request", "not an HTTP/1 request\n", 1, 0);
    return 0;
  }
  const char *connection = header(head, "Connection");
  int keep = version == '1' ? !connection || strncasecmp(connection, "close", 5) != 0
                            : connection && strncasecmp(connection, "keep-alive", 10) == 0;
  int with_body = strcmp(method, "HEAD") != 0;
  unsigned long number = atomic_fetch_add(&requests, 1) + 1;
  int found = strcmp(path, "/") == 0 || strncmp(path, "/?", 2) == 0;
  printf("%s %s %d\n", method, path, found ? 200 : 404);
  if (!found) return respond(fd, "404 Not Found", "not found\n", with_body, keep) == 0 && keep;
  snprintf(body, sizeof body, "hello from littlecloud\nrequest %lu, up %.3f s\n", number, uptime_seconds());
  return respond(fd, "200 OK", body, with_body, keep) == 0 && keep;
}

static void *serve(void *argument) {
  int fd = (int)(long)argument;
  char buffer[HEAD_BYTES + 1];
  size_t have = 0, skip = 0; // skip: bytes of a request's body that nobody reads
  for (;;) {
    size_t drop = skip < have ? skip : have;
    memmove(buffer, buffer + drop, have - drop);
    have -= drop;
    skip -= drop;
    buffer[have] = 0;
    char *end = skip ? NULL : strstr(buffer, "\r\n\r\n");
    if (end) {
      char after = end[4];
      end[4] = 0;
      const char *length = header(buffer, "Content-Length");
      size_t body = length ? strtoul(length, NULL, 10) : 0;
      int chunked = header(buffer, "Transfer-Encoding") != NULL;
      if (chunked) respond(fd, "411 Length Required", "send a Content-Length\n", 1, 0);
      if (chunked || !answer(fd, buffer)) break;
      end[4] = after;
      skip = (end + 4 - buffer) + body;
      continue;
    }
    if (have == HEAD_BYTES) {
      respond(fd, "431 Request Header Fields Too Large", "the head is too large\n", 1, 0);
      break;
    }
    ssize_t count = read(fd, buffer + have, HEAD_BYTES - have);
    if (count <= 0) break;
    have += count;
  }
  close(fd);
  return NULL;
}

static struct sockaddr_in address(in_addr_t host) {
  const char *port = getenv("PORT");
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080), .sin_addr.s_addr = htonl(host)};
}

static int check_health(void) {
  struct sockaddr_in to = address(INADDR_LOOPBACK);
  char reply[16] = "";
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return 1;
  const char request[] = "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (write_all(fd, request, sizeof request - 1) < 0 || read(fd, reply, sizeof reply - 1) < 12) return 1;
  return strncmp(reply, "HTTP/1.1 200", 12) != 0;
}

static void stop(int signal) {
  (void)signal;
  _exit(0);
}

int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "--healthy") == 0) return check_health();
  clock_gettime(CLOCK_MONOTONIC, &began);
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, stop); // as process 1 it would ignore it otherwise
  signal(SIGINT, stop);
  struct sockaddr_in at = address(INADDR_ANY);
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0) {
    perror("cannot listen");
    return 1;
  }
  printf("listening on port %d\n", ntohs(at.sin_port));
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, STACK_BYTES);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pthread_t thread;
    if (pthread_create(&thread, &small, serve, (void *)(long)fd) != 0) close(fd);
  }
}
