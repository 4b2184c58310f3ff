#include <stdio.h>
#include <unistd.h>
#include "init.h"

// The image's own may be a link to somewhere else: replaced, not followed.
static void replace(const char *path, const char *text) {
  unlink(path);
  if (!file_write(path, text)) say("%s could not be written", path);
}

void etc_write(const char *hostname) {
  char text[1024];
  snprintf(text, sizeof text, "%s\n", hostname);
  replace("/etc/hostname", text);

  const char *ip = identity_get("ip", 0);
  snprintf(text, sizeof text, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n%s\t%s\n",
           ip ? ip : "127.0.1.1", hostname);
  replace("/etc/hosts", text);

  size_t used = 0;
  const char *server;
  text[0] = 0;
  for (unsigned i = 0; i < 3 && (server = identity_get("dns", i)); i++)
    used += snprintf(text + used, sizeof text - used, "nameserver %.64s\n", server);
  replace("/etc/resolv.conf", text);

  if (access("/etc/mtab", F_OK) && symlink("/proc/mounts", "/etc/mtab")) say("/etc/mtab could not be made");
}

// Those that Docker sets, and what servers of an instance's size ask for in their documentation.
void sysctl_defaults(void) {
  static const char *const settings[][2] = {
    {"net/ipv4/ip_unprivileged_port_start", "0"}, // any user may bind port 80, as in Docker
    {"net/ipv4/ping_group_range", "0 2147483647"},
    {"net/core/somaxconn", "4096"},
    {"vm/overcommit_memory", "1"}, // redis forks to save, and must not be refused for twice its memory
    {"net/ipv6/conf/eth0/disable_ipv6", "1"}, // no address but ::1; programs that bind :: still work
    {"kernel/printk", "4 4 1 4"}, // the console is slow: errors only
  };
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    char path[96];
    snprintf(path, sizeof path, "/proc/sys/%s", settings[i][0]);
    if (!file_write(path, settings[i][1])) say("sysctl %s was refused", settings[i][0]);
  }
}
