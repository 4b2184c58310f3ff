// A program that does what its neighbours and its host would rather not have: one kind of misuse per path.
//   /                    answers at once, as every path does that is not named here
//   /burn                from now on a thread spins whenever the instance is awake
//   /hold/MS             answers after so long
//   /bomb                forks, and so do its children, without end
//   /eat                 takes memory until it is killed
//   /fill/FILE           writes until the disk is full; tells how many MiB that were
//   /log/LINES           prints so many lines of 100 bytes as fast as it can
//   /connect/HOST/PORT   tells `connected`, or why not
//   /send/HOST/PORT/N    sends N packets by UDP
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 8 * 1024, ANSWER_BYTES = 256, CONNECT_MS = 3000 };

static void *burn(void *nothing) {
  for (volatile unsigned long turns = 0;; turns++) {}
  return nothing;
}

static void start(void *(*work)(void *), void *argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, argument) == 0) pthread_detach(thread);
}

static void *bomb(void *nothing) {
  for (;;) fork();
  return nothing;
}

static void *eat(void *nothing) {
  for (;;) {
    char *taken = malloc(1 << 20);
    if (taken) memset(taken, 1, 1 << 20);
  }
  return nothing;
}

static void fill(const char *name, char *answer) {
  static char block[1 << 20];
  char path[128];
  snprintf(path, sizeof path, "/%.100s", name);
  memset(block, 'x', sizeof block);
  int file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
  long mebibytes = 0;
  while (file >= 0 && write(file, block, sizeof block) == (ssize_t)sizeof block) mebibytes++;
  int reason = errno;
  if (file >= 0) fsync(file);
  snprintf(answer, ANSWER_BYTES, "%ld MiB, then: %s\n", mebibytes, strerror(reason));
  if (file >= 0) close(file);
}

static void flood_log(long lines) {
  for (long line = 1; line <= lines; line++) printf("%010ld %.*s\n", line, 88, "flood flood flood flood flood flood flood flood flood flood flood flood flood flood flood ");
}

static struct sockaddr_in address_of(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

static const char *connect_to(const char *host, int port) {
  struct sockaddr_in to = address_of(host, port);
  int stream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), reason = 0;
  socklen_t length = sizeof reason;
  if (connect(stream, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) reason = errno;
  struct pollfd done = {.fd = stream, .events = POLLOUT};
  if (!reason && poll(&done, 1, CONNECT_MS) == 0) reason = ETIMEDOUT;
  else if (!reason) getsockopt(stream, SOL_SOCKET, SO_ERROR, &reason, &length);
  close(stream);
  return reason ? strerror(reason) : "connected";
}

static void send_packets(const char *host, int port, long count) {
  struct sockaddr_in to = address_of(host, port);
  static const char text[1200];
  int socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (long i = 0; i < count; i++) sendto(socket_, text, sizeof text, 0, (struct sockaddr *)&to, sizeof to);
  close(socket_);
}

static void misuse(const char *path, char *answer) {
  char text[128] = "";
  long number = 0, count = 0;
  strcpy(answer, "ok\n");
  if (!strcmp(path, "/burn")) start(burn, NULL);
  else if (!strcmp(path, "/bomb")) start(bomb, NULL);
  else if (!strcmp(path, "/eat")) start(eat, NULL);
  else if (sscanf(path, "/hold/%ld", &number) == 1) usleep(number * 1000);
  else if (sscanf(path, "/fill/%100[a-z]", text) == 1) fill(text, answer);
  else if (sscanf(path, "/log/%ld", &number) == 1) flood_log(number);
  else if (sscanf(path, "/connect/%100[0-9.]/%ld", text, &number) == 2)
    snprintf(answer, ANSWER_BYTES, "%s\n", connect_to(text, (int)number));
  else if (sscanf(path, "/send/%100[0-9.]/%ld/%ld", text, &number, &count) == 3) send_packets(text, (int)number, count);
}

static void *serve(void *argument) {
  int stream = (int)(long)argument;
  char head[HEAD_BYTES + 1], path[256], answer[ANSWER_BYTES], reply[ANSWER_BYTES + 128];
  size_t have = 0;
  for (;;) {
    ssize_t count = read(stream, head + have, HEAD_BYTES - have);
    if (count <= 0) break;
    head[have += (size_t)count] = 0;
    if (!strstr(head, "\r\n\r\n")) continue;
    have = 0;
    if (sscanf(head, "GET %255s", path) != 1) break;
    misuse(path, answer);
    int length = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(answer), answer);
    if (write(stream, reply, (size_t)length) != length) break;
  }
  close(stream);
  return NULL;
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  setvbuf(stdout, NULL, _IOFBF, 64 * 1024);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(8080)};
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0) return 1;
  for (;;) {
    int stream = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (stream < 0) continue;
    setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    start(serve, (void *)(long)stream);
  }
}
