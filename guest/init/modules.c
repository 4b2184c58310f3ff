#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "init.h"

// Files are named 00-virtio_ring.ko, 01-…: the set-up has sorted them so that each finds what it depends on.
void modules_load(void) {
  struct dirent **files;
  int count = scandir("/modules", &files, 0, alphasort);
  for (int i = 0; i < count; i++) {
    char path[300];
    snprintf(path, sizeof path, "/modules/%s", files[i]->d_name);
    if (files[i]->d_name[0] == '.') continue;
    const int compressed = strstr(path, ".ko.") ? 4 : 0; // MODULE_INIT_COMPRESSED_FILE
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", compressed) && errno != EEXIST))
      say("module %s: %s", files[i]->d_name, strerror(errno));
    close(fd);
    unlink(path); // its pages would stay in the memory of every instance
    free(files[i]);
  }
}
