#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "init.h"

static struct sockaddr address(const char *text) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  inet_pton(AF_INET, text, &in.sin_addr);
  struct sockaddr any;
  memcpy(&any, &in, sizeof any);
  return any;
}

static void ask(int fd, unsigned long request, void *argument, const char *what) {
  if (ioctl(fd, request, argument) && errno != EEXIST) say("network: %s: %s", what, strerror(errno));
}

static void bring_up(int fd, const char *name) {
  struct ifreq interface = {0};
  strcpy(interface.ifr_name, name);
  ask(fd, SIOCGIFFLAGS, &interface, name);
  interface.ifr_flags |= IFF_UP | IFF_RUNNING;
  ask(fd, SIOCSIFFLAGS, &interface, name);
}

void network_loopback(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bring_up(fd, "lo"); // the kernel gives it 127.0.0.1 and ::1 by itself
  close(fd);
}

static void set_address(int fd, const char *ip) {
  struct ifreq interface = {.ifr_name = "eth0"};
  interface.ifr_addr = address(ip);
  ask(fd, SIOCSIFADDR, &interface, "address");
  interface.ifr_netmask = address("255.255.255.255");
  ask(fd, SIOCSIFNETMASK, &interface, "netmask");
}

// The gateway is no neighbour by its address (/32), so it needs a route of its own before the default one.
static void set_routes(int fd, const char *gateway) {
  struct rtentry on_link = {.rt_flags = RTF_UP | RTF_HOST, .rt_dev = "eth0"};
  on_link.rt_dst = address(gateway);
  on_link.rt_genmask = address("255.255.255.255");
  ask(fd, SIOCADDRT, &on_link, "route to the gateway");
  struct rtentry all = {.rt_flags = RTF_UP | RTF_GATEWAY, .rt_dev = "eth0"};
  all.rt_dst = address("0.0.0.0");
  all.rt_genmask = address("0.0.0.0");
  all.rt_gateway = address(gateway);
  ask(fd, SIOCADDRT, &all, "default route");
}

// Permanent: no ARP question and no timer ever stands between a wake and its first byte.
static void set_neighbour(int fd, const char *gateway, const char *mac) {
  struct arpreq neighbour = {.arp_flags = ATF_PERM | ATF_COM, .arp_dev = "eth0"};
  neighbour.arp_pa = address(gateway);
  neighbour.arp_ha.sa_family = ARPHRD_ETHER;
  unsigned char *bytes = (unsigned char *)neighbour.arp_ha.sa_data;
  if (sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", bytes, bytes + 1, bytes + 2, bytes + 3, bytes + 4, bytes + 5) != 6)
    return say("network: gwmac %s", mac);
  ask(fd, SIOCSARP, &neighbour, "neighbour");
}

void network_up(void) {
  const char *ip = identity_get("ip", 0), *gateway = identity_get("gw", 0), *mac = identity_get("gwmac", 0);
  if (!ip) return;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  set_address(fd, ip);
  bring_up(fd, "eth0");
  if (gateway) set_routes(fd, gateway);
  if (gateway && mac) set_neighbour(fd, gateway, mac);
  close(fd);
}
