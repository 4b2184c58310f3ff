// Ends the TCP connections of the program to other machines: in a copy of an instance they are those of the original, from
// an address that is not the copy's. They would hang until their time-outs; so the program sees their end at once.
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "init.h"

static bool leads_outside(int socket) {
  int protocol;
  struct sockaddr_storage peer;
  socklen_t length = sizeof protocol;
  if (getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) || protocol != IPPROTO_TCP) return false;
  length = sizeof peer;
  if (getpeername(socket, (struct sockaddr *)&peer, &length)) return false;
  const uint8_t *address = (const uint8_t *)&((struct sockaddr_in *)&peer)->sin_addr;
  if (peer.ss_family == AF_INET6) {
    const struct in6_addr *six = &((struct sockaddr_in6 *)&peer)->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(six)) return false; // the guest has no IPv6 but its loopback
    address = six->s6_addr + 12;
  }
  return address[0] != 127;
}

static void reset_if_outside(int process, int fd) {
  int socket = syscall(SYS_pidfd_getfd, process, fd, 0);
  if (socket < 0) return;
  // The program sees ECONNRESET; or, where a thread of it waits in a read, which the kernel does not take a connection from,
  // the end of the stream.
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  if (leads_outside(socket) && connect(socket, &nobody, sizeof nobody)) shutdown(socket, SHUT_RDWR);
  close(socket);
}

static void reset_of(pid_t pid) {
  char path[64], target[16];
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  int process = syscall(SYS_pidfd_open, pid, 0);
  DIR *fds = opendir(path);
  for (struct dirent *entry; fds && (entry = readdir(fds));)
    if (readlinkat(dirfd(fds), entry->d_name, target, sizeof target) > 8 && !strncmp(target, "socket:[", 8))
      reset_if_outside(process, atoi(entry->d_name));
  if (fds) closedir(fds);
  close(process);
}

void connections_reset(void) {
  DIR *processes = opendir("/proc");
  if (!processes) return say("the connections cannot be found");
  for (struct dirent *entry; (entry = readdir(processes));)
    if (isdigit((unsigned char)entry->d_name[0])) reset_of(atoi(entry->d_name));
  closedir(processes);
}
