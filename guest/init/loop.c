#include <errno.h>
#include <sys/epoll.h>
#include "init.h"

static int epoll = -1;
static struct source *first;

void loop_first(struct source *source) { first = source; }

void watch(struct source *source) {
  if (source->watched || source->fd < 0) return;
  if (epoll < 0 && (epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll");
  struct epoll_event event = {.events = source->events, .data.ptr = source};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, source->fd, &event)) die("watch");
  source->watched = true;
}

// Pausing takes a source out: with an empty event mask a closed pipe would still report EPOLLHUP for ever.
void unwatch(struct source *source) {
  if (!source->watched) return;
  epoll_ctl(epoll, EPOLL_CTL_DEL, source->fd, 0);
  source->watched = false;
}

void loop_run(void) {
  struct epoll_event events[16];
  for (;;) {
    int count = epoll_wait(epoll, events, 16, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++)
      if (events[i].data.ptr == first) first->ready(first, events[i].events);
    for (int i = 0; i < count; i++) {
      struct source *source = events[i].data.ptr;
      if (source != first && source->watched) source->ready(source, events[i].events);
    }
  }
}
