#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "init.h"

enum { TIMERS = 4 };
static struct { struct source *source; void (*tick)(void); } timers[TIMERS];

static void on_timer(struct source *source, uint32_t events) {
  (void)events;
  uint64_t expirations;
  if (read(source->fd, &expirations, sizeof expirations) < 0) return;
  for (int i = 0; i < TIMERS; i++)
    if (timers[i].source == source) timers[i].tick();
}

void timer_open(struct source *timer, void (*tick)(void)) {
  *timer = (struct source){timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), EPOLLIN, on_timer, false};
  for (int i = 0; i < TIMERS; i++)
    if (!timers[i].source) {
      timers[i].source = timer;
      timers[i].tick = tick;
      break;
    }
  watch(timer);
}

void timer_set(struct source *timer, unsigned first_ms, unsigned every_ms) {
  struct itimerspec spec = {
    .it_value = {first_ms / 1000, first_ms % 1000 * 1000000L},
    .it_interval = {every_ms / 1000, every_ms % 1000 * 1000000L},
  };
  timerfd_settime(timer->fd, 0, &spec, 0);
}
