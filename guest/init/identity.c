// What makes a restored copy of the template into an instance. Entropy comes before everything else, so that
// nothing the instance does, not even the layout of its program's memory, repeats another copy's choices.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init.h"

static char *records; // NUL-terminated key=value, kept: the program's environment points into it
static size_t records_length;

const char *identity_get(const char *key, unsigned index) {
  size_t key_length = strlen(key);
  for (char *record = records; record < records + records_length; record += strlen(record) + 1)
    if (!strncmp(record, key, key_length) && record[key_length] == '=' && index-- == 0) return record + key_length + 1;
  return 0;
}

// The old records stay where they are: the program's environment points into them.
void identity_renew(const uint8_t *payload, size_t length) {
  char *renewed = malloc(length + records_length + 1);
  if (!renewed || length == 0 || payload[length - 1] != 0) die("renewed identity");
  memcpy(renewed, payload, length);
  memcpy(renewed + length, records, records_length + 1);
  records = renewed;
  records_length += length;
}

void identity_apply(const uint8_t *payload, size_t length) {
  if (records) return say("a second identity was refused");
  records = malloc(length + 1);
  if (!records) die("identity");
  memcpy(records, payload, length);
  records[length] = 0; // also ends a last record that was not
  records_length = length;

  entropy_mix(identity_get("entropy", 0));
  const char *time = identity_get("time", 0);
  if (time) clock_apply(strtoll(time, 0, 10));
  const char *hostname = identity_get("hostname", 0);
  if (!hostname) hostname = "instance";
  if (sethostname(hostname, strlen(hostname))) say("hostname %s was refused", hostname);
  etc_write(hostname);
  network_up();
  program_start();
}
