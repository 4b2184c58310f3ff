// Serves the files of one folder over HTTP/1.1: `server FOLDER`, on $PORT (8080).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 16 * 1024, STACK_BYTES = 128 * 1024 };

static const char *content_type(const char *path) {
  static const char *types[][2] = {
      {".html", "text/html; charset=utf-8"}, {".css", "text/css"},       {".js", "text/javascript"}, {".json", "application/json"},
      {".svg", "image/svg+xml"},             {".png", "image/png"},      {".jpg", "image/jpeg"},     {".ico", "image/x-icon"},
      {".txt", "text/plain; charset=utf-8"}, {".wasm", "application/wasm"}};
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
    if (strcasecmp(dot, types[i][0]) == 0) return types[i][1];
  return "application/octet-stream";
}

// `more`: a body follows at once, and may go into the same packet.
static int send_head(int fd, const char *status, const char *type, long long length, int more) {
  char head[512];
  int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %lld\r\n\r\n", status, type, length);
  return send(fd, head, size, more ? MSG_MORE : 0) == size;
}

static int send_text(int fd, const char *status, const char *text, int with_body) {
  long long length = strlen(text);
  return send_head(fd, status, "text/plain", length, with_body) && (!with_body || send(fd, text, length, 0) == length);
}

// The file of a request's path, opened below the folder that is the working directory; a folder gives its index.html.
static int open_path(char *path) {
  path[strcspn(path, "?#")] = 0;
  while (path[0] == '/' && path[1] == '/') path++; // `//etc/passwd` would be a path from the root
  if (path[0] != '/' || strstr(path, "/../") || (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0)) return -1;
  if (path[strlen(path) - 1] == '/') strcat(path, "index.html");
  return open(path + 1, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

// Answers one request; returns whether the connection stays open.
static int answer(int fd, const char *head) {
  char method[16], path[1024 + sizeof "index.html"];
  if (sscanf(head, "%15s %1023s HTTP/1.", method, path) != 2) return send_text(fd, "400 Bad Request", "bad request\n", 1) && 0;
  int only_head = strcmp(method, "HEAD") == 0;
  if (!only_head && strcmp(method, "GET") != 0) return send_text(fd, "405 Method Not Allowed", "GET or HEAD\n", 1) && 0;
  int keep = !strcasestr(head, "\r\nConnection: close") && strstr(head, " HTTP/1.1\r\n");
  struct stat file;
  int found = open_path(path);
  if (found < 0 || fstat(found, &file) < 0 || !S_ISREG(file.st_mode)) {
    if (found >= 0) close(found);
    printf("%s %s 404\n", method, path);
    return send_text(fd, "404 Not Found", "not found\n", !only_head) && keep;
  }
  printf("%s %s 200\n", method, path);
  int with_body = !only_head && file.st_size > 0;
  int sent = send_head(fd, "200 OK", content_type(path), file.st_size, with_body);
  for (off_t at = 0; sent && with_body && at < file.st_size;) sent = sendfile(fd, found, &at, file.st_size - at) > 0;
  close(found);
  return sent && keep;
}

static void *serve(void *argument) {
  int fd = (int)(long)argument;
  char buffer[HEAD_BYTES + 1];
  size_t have = 0;
  for (;;) {
    buffer[have] = 0;
    char *end = strstr(buffer, "\r\n\r\n");
    if (end) {
      char after = end[4];
      end[4] = 0;
      if (!answer(fd, buffer)) break;
      end[4] = after;
      have -= end + 4 - buffer;
      memmove(buffer, end + 4, have);
      continue;
    }
    ssize_t count = have < HEAD_BYTES ? read(fd, buffer + have, HEAD_BYTES - have) : 0;
    if (count <= 0) break;
    have += count;
  }
  close(fd);
  return NULL;
}

static void stop(int signal) {
  (void)signal;
  _exit(0);
}

int main(int count, char **arguments) {
  if (count != 2 || chdir(arguments[1]) < 0) {
    fprintf(stderr, "usage: server FOLDER\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, stop); // as process 1 it would ignore it otherwise
  signal(SIGINT, stop);
  const char *port = getenv("PORT");
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0) {
    perror("cannot listen");
    return 1;
  }
  printf("serving %s on port %d\n", arguments[1], ntohs(at.sin_port));
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, STACK_BYTES);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    pthread_t thread;
    if (fd >= 0 && pthread_create(&thread, &small, serve, (void *)(long)fd) != 0) close(fd);
  }
}
