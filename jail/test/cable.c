// For tests: a guest without QEMU. `cable TAP` opens the tap as QEMU would, enters a network namespace of its own, makes
// an eth0 there and carries frames between the two, until its standard input ends. Says `ready` first.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int tap(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
  int descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (descriptor < 0 || ioctl(descriptor, TUNSETIFF, &request)) {
    perror(name);
    exit(1);
  }
  return descriptor;
}

static void carry(int from, int to) {
  char frame[70000];
  ssize_t length = read(from, frame, sizeof frame);
  if (length > 0 && write(to, frame, (size_t)length) < 0) return; // the other end is down: a frame is lost, as on any link
}

int main(int count, char **arguments) {
  if (count != 2) return 1;
  int host = tap(arguments[1]);
  if (unshare(CLONE_NEWNET)) return 1;
  int guest = tap("eth0");
  if (write(1, "ready\n", 6) != 6) return 1;
  struct pollfd ends[] = {{.fd = host, .events = POLLIN}, {.fd = guest, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  while (poll(ends, 3, -1) > 0) {
    if (ends[0].revents & POLLIN) carry(host, guest);
    if (ends[1].revents & POLLIN) carry(guest, host);
    if (ends[2].revents) return 0;
  }
  return 0;
}
