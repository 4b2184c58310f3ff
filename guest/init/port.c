#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "init.h"

static int open_named(const char *name) {
  DIR *ports = opendir("/sys/class/virtio-ports");
  if (!ports) return -1;
  int fd = -1;
  for (struct dirent *entry; fd < 0 && (entry = readdir(ports));) {
    char path[300];
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
    char *found = file_read(path);
    if (found && !strncmp(found, name, strlen(name)) && found[strlen(name)] == '\n') {
      fd = openat(devices, entry->d_name, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    }
    free(found);
  }
  closedir(ports);
  return fd;
}

// The names of the ports arrive by the device's control queue a little after the driver was loaded.
int port_open(const char *name) {
  for (int attempt = 0; attempt < 1000; attempt++) {
    int fd = open_named(name);
    if (fd >= 0) return fd;
    usleep(5000);
  }
  return -1;
}

// Only the moment of leaving ends a greeting. The next host's first bytes may be here before the driver has been told
// that it came, so a hello may well be read while the port still reports the old one's absence.
void presence_update(struct presence *presence, uint32_t events) {
  bool away = events & EPOLLHUP;
  if (away && !presence->away) presence->greeted = false;
  presence->away = away;
}
