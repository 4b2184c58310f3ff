#define _GNU_SOURCE
#include "jail.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int open_file(const struct descriptor *wanted) {
  static const int modes[] = {[FILE_READ] = O_RDONLY, [FILE_WRITE] = O_WRONLY | O_CREAT, [FILE_READ_WRITE] = O_RDWR};
  int file = open(wanted->path, modes[wanted->kind] | O_CLOEXEC | O_NOCTTY, 0600);
  if (file < 0) fail_errno("file", wanted->path);
  return file;
}

// QEMU 7.2 opens its RAM file again for writing, so only the seals keep one tenant from writing another's template.
static int open_memfd(const struct descriptor *wanted) {
  int memfd = open(wanted->path, O_RDONLY | O_CLOEXEC);
  if (memfd < 0) fail_errno("memfd", wanted->path);
  int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, seals = fcntl(memfd, F_GET_SEALS);
  if (seals < 0) fail_errno("memfd", wanted->path);
  if ((seals & needed) != needed) fail("memfd", "is not sealed");
  return memfd;
}

static int open_listener(const struct descriptor *wanted) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(wanted->path) >= sizeof address.sun_path) fail("listen", "the path is longer than 107 bytes");
  strcpy(address.sun_path, wanted->path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) fail_errno("listen", wanted->path);
  struct stat old;
  if (!lstat(wanted->path, &old) && S_ISSOCK(old.st_mode)) unlink(wanted->path); // of an earlier life
  mode_t mask = umask(0177);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4)) fail_errno("listen", wanted->path);
  umask(mask);
  return listener;
}

static int open_tap(const struct descriptor *wanted) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  if (strlen(wanted->path) >= sizeof request.ifr_name) fail("tap", "the name is longer than 15 bytes");
  strcpy(request.ifr_name, wanted->path);
  int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (tap < 0) fail_errno("tap", "/dev/net/tun");
  // TUNSETIFF would make a missing tap: without its packet rules, and gone with this process.
  struct ifreq existing = request;
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0 || ioctl(any, SIOCGIFINDEX, &existing)) fail_errno("tap", wanted->path);
  close(any);
  if (ioctl(tap, TUNSETIFF, &request)) fail_errno("tap", wanted->path);
  return tap;
}

void open_descriptors(struct options *options) {
  for (int i = 0; i < options->descriptor_count; i++) {
    struct descriptor *wanted = &options->descriptors[i];
    int opened = wanted->kind == TAP            ? open_tap(wanted)
                 : wanted->kind == LISTENER     ? open_listener(wanted)
                 : wanted->kind == SEALED_MEMFD ? open_memfd(wanted)
                                                : open_file(wanted);
    wanted->opened = keep("descriptors", opened);
  }
}

void hand_over_descriptors(const struct options *options) {
  for (int i = 0; i < options->descriptor_count; i++)
    if (dup2(options->descriptors[i].opened, options->descriptors[i].number) < 0) fail_errno("descriptors", NULL);
}
