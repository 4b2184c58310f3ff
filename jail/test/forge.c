// For tests: sends one frame on eth0 of its network namespace, as only a hostile guest would make it.
//   forge KIND FROM TO PORT TEXT
// KIND: plain (as the kernel itself would send it), mac (another machine's source address), fragments (the datagram in
// two), arp (asks for TO in the name of FROM), router (advertises itself as an IPv6 router).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned char gateway[6] = {2, 0, 0, 0, 0, 1}, stranger[6] = {2, 0, 0, 0, 0, 0x77};
static int wire;
static unsigned char own[6];

static void open_wire(void) {
  struct ifreq request = {0};
  strcpy(request.ifr_name, "eth0");
  wire = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (wire < 0 || ioctl(wire, SIOCGIFHWADDR, &request)) exit(1);
  memcpy(own, request.ifr_hwaddr.sa_data, 6);
  if (ioctl(wire, SIOCGIFINDEX, &request)) exit(1);
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = request.ifr_ifindex};
  if (bind(wire, (struct sockaddr *)&address, sizeof address)) exit(1);
}

static void send_frame(const unsigned char *source, const unsigned char *target, unsigned short type, const void *bytes, size_t length) {
  unsigned char frame[1514];
  memcpy(frame, target, 6);
  memcpy(frame + 6, source, 6);
  frame[12] = type >> 8;
  frame[13] = type & 255;
  memcpy(frame + 14, bytes, length);
  if (send(wire, frame, 14 + length, 0) < 0) exit(1);
}

static unsigned short checksum(const void *bytes, size_t length) {
  const unsigned char *at = bytes;
  unsigned sum = 0;
  for (size_t i = 0; i < length; i += 2) sum += at[i] << 8 | at[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(~sum & 0xffff);
}

static void send_ip(const unsigned char *source, const char *from, const char *to, int offset, int more, const void *bytes, size_t length) {
  unsigned char packet[1500];
  struct iphdr head = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .id = htons(getpid() & 0xffff)};
  head.tot_len = htons(sizeof head + length);
  head.frag_off = htons((more ? 0x2000 : 0) | offset / 8);
  inet_pton(AF_INET, from, &head.saddr);
  inet_pton(AF_INET, to, &head.daddr);
  head.check = checksum(&head, sizeof head);
  memcpy(packet, &head, sizeof head);
  memcpy(packet + sizeof head, bytes, length);
  send_frame(source, gateway, ETH_P_IP, packet, sizeof head + length);
}

static void send_arp(const char *from, const char *to) {
  static const unsigned char everybody[6] = {255, 255, 255, 255, 255, 255};
  unsigned char question[28] = {0, 1, 8, 0, 6, 4, 0, 1};
  memcpy(question + 8, own, 6);
  inet_pton(AF_INET, from, question + 14);
  inet_pton(AF_INET, to, question + 24);
  send_frame(own, everybody, ETH_P_ARP, question, sizeof question);
}

// From fe80::1 to ff02::1, with a prefix and a lifetime; the checksum is that of exactly these bytes.
static void send_router(void) {
  static const unsigned char everybody[6] = {0x33, 0x33, 0, 0, 0, 1};
  unsigned char packet[56] = {0x60, 0, 0, 0, 0, 16, 58, 255, 0xfe, 0x80};
  packet[23] = 1, packet[24] = 0xff, packet[25] = 2, packet[39] = 1;
  packet[40] = 134, packet[44] = 64, packet[46] = 0x07, packet[47] = 0x08;
  unsigned char pseudo[56] = {0};
  memcpy(pseudo, packet + 8, 32);
  pseudo[35] = 16, pseudo[39] = 58;
  memcpy(pseudo + 40, packet + 40, 16);
  unsigned short sum = checksum(pseudo, sizeof pseudo);
  memcpy(packet + 42, &sum, 2);
  send_frame(own, everybody, ETH_P_IPV6, packet, sizeof packet);
}

int main(int count, char **arguments) {
  if (count != 6) return 1;
  const char *kind = arguments[1], *from = arguments[2], *to = arguments[3], *text = arguments[5];
  unsigned char datagram[512];
  size_t length = 8 + strlen(text);
  struct udphdr head = {.source = htons(9999), .dest = htons(atoi(arguments[4])), .len = htons(length)};
  memcpy(datagram, &head, sizeof head);
  memcpy(datagram + sizeof head, text, strlen(text));
  open_wire();
  if (!strcmp(kind, "plain")) send_ip(own, from, to, 0, 0, datagram, length);
  else if (!strcmp(kind, "mac")) send_ip(stranger, from, to, 0, 0, datagram, length);
  else if (!strcmp(kind, "arp")) send_arp(from, to);
  else if (!strcmp(kind, "router")) send_router();
  else if (!strcmp(kind, "fragments")) {
    send_ip(own, from, to, 0, 1, datagram, 8);
    send_ip(own, from, to, 8, 0, datagram + 8, length - 8);
  } else return 1;
  return 0;
}
