// Prints the rate of this machine's time stamp counter in kHz. A guest under emulation reads the host's counter, so
// its kernel has to be told the host's true rate (tsc_early_khz=), or its clocks run wrong by the ratio.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PAIRS = 64 };

static uint64_t counter(void) {
  uint32_t low, high;
  __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high)::"memory");
  return (uint64_t)high << 32 | low;
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC_RAW, &time);
  return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

// Of many pairs the one whose two counter readings are closest was least disturbed by other processes.
static void pair(uint64_t *ticks, uint64_t *ns) {
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < PAIRS; i++) {
    uint64_t before = counter(), time = now_ns(), after = counter();
    if (after - before >= best) continue;
    best = after - before;
    *ticks = before + (after - before) / 2;
    *ns = time;
  }
}

int main(int count, char **arguments) {
  long wait_ms = count > 1 ? atol(arguments[1]) : 500; // ± 50 ns at each end: 0.2 ppm over 500 ms
  uint64_t ticks[2], ns[2];
  pair(&ticks[0], &ns[0]);
  nanosleep(&(struct timespec){wait_ms / 1000, wait_ms % 1000 * 1000000}, 0);
  pair(&ticks[1], &ns[1]);
  printf("%.0f\n", (double)(ticks[1] - ticks[0]) * 1e6 / (double)(ns[1] - ns[0]));
}
