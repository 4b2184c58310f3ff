#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init.h"

char *file_read(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  size_t room = 16384, length = 0;
  char *text = malloc(room + 1);
  ssize_t got = 0;
  while (text && (got = read(fd, text + length, room - length)) > 0) {
    length += got;
    if (length == room) text = realloc(text, (room *= 2) + 1);
  }
  close(fd);
  if (text) text[length] = 0;
  return text;
}

bool file_write(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return written;
}
