#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "init.h"

// From linux/random.h.
#define RNDADDENTROPY _IOW('R', 0x03, int[2])
#define RNDRESEEDCRNG _IO('R', 0x07)

void clock_apply(int64_t ns) {
  struct timespec now = {ns / 1000000000, ns % 1000000000};
  clock_settime(CLOCK_REALTIME, &now);
}

// Copies of one template would all draw the same random numbers; 64 bytes of the host's make each its own.
// A copy without entropy of its own must not start, so every failure here is fatal.
void entropy_mix(const char *hex) {
  struct {
    int bits;
    int size;
    uint8_t bytes[64];
  } pool = {512, 64, {0}};
  if (!hex || strlen(hex) != 128) die("identity without 64 bytes of entropy");
  for (int i = 0; i < 64; i++)
    if (sscanf(hex + 2 * i, "%2hhx", &pool.bytes[i]) != 1) die("entropy is not hexadecimal");
  int random = open("/dev/urandom", O_RDWR | O_CLOEXEC);
  if (random < 0 || ioctl(random, RNDADDENTROPY, &pool) || ioctl(random, RNDRESEEDCRNG, 0)) die("mixing in entropy");
  close(random);
  explicit_bzero(&pool, sizeof pool);
}
