// What comes before a stop and after it. The host asks `rest`; the answer is that files keep the instance awake, or, after
// the sleep hook, that it may be stopped. A clock message ends it, whether the guest was stopped meanwhile or not, and is
// followed by the wake hook: so the two hooks always take turns. Nothing here is on the path of a wake without hooks.
#include <string.h>
#include "init.h"

static bool asked, regardless; // the host waits for an answer; files do not count any more
static uint8_t sequence[8];
static bool rested, wanted; // the sleep hook's turn is over; the wake hook's has come
static bool has_wake_hook;

static void answer(bool awake) {
  asked = false;
  channel_send(RESTING, sequence, sizeof sequence, &(uint8_t){awake}, 1);
}

static void go_on(void) {
  if (hook_runs()) return; // which calls us again
  if (wanted) {
    wanted = rested = false;
    if (has_wake_hook && hook_start(HOOK_WAKE, go_on)) return;
  }
  if (!asked) return;
  if (!regardless && stay_awake_wanted()) return answer(true);
  if (!rested) {
    rested = true;
    has_wake_hook = hook_exists(HOOK_WAKE);
    if (hook_exists(HOOK_SLEEP) && hook_start(HOOK_SLEEP, go_on)) return;
  }
  answer(false);
}

void rest_asked(const uint8_t *payload) {
  memcpy(sequence, payload, sizeof sequence);
  regardless = payload[8];
  asked = true;
  go_on();
}

void rest_over(void) {
  asked = false;
  if (!rested) return;
  wanted = true;
  go_on();
}

void rest_forget(void) { asked = false; }
