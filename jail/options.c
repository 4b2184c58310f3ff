// Reads the command line of spec/jail.md. It comes from the agent, but a wrong one must not make a wrong jail.
#include "jail.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static long number(const char *text, long least, long most) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno || end == text || *end || value < least || value > most) fail("options", text);
  return value;
}

// Cuts "7:rest" after the number; returns the rest.
static char *leading_number(char *text, int *value) {
  char *colon = strchr(text, ':');
  if (!colon) fail("options", text);
  *colon = 0;
  *value = (int)number(text, FIRST_GIVEN, LAST_GIVEN);
  return colon + 1;
}

static enum kind file_kind(const char *mode) {
  if (!strcmp(mode, "r")) return FILE_READ;
  if (!strcmp(mode, "w")) return FILE_WRITE;
  if (!strcmp(mode, "rw")) return FILE_READ_WRITE;
  fail("options", mode);
}

static void add_descriptor(struct options *options, enum kind kind, char *text) {
  if (options->descriptor_count == MOST_DESCRIPTORS) fail("options", "too many descriptors");
  struct descriptor *added = &options->descriptors[options->descriptor_count];
  *added = (struct descriptor){.kind = kind, .opened = -1};
  char *rest = leading_number(text, &added->number);
  for (int i = 0; i < options->descriptor_count; i++)
    if (options->descriptors[i].number == added->number) fail("options", "a descriptor number is used twice");
  if (kind == FILE_READ) {
    char *colon = strchr(rest, ':');
    if (!colon) fail("options", rest);
    *colon = 0;
    added->kind = file_kind(rest);
    rest = colon + 1;
  }
  if (!*rest) fail("options", "a descriptor without a path");
  added->path = rest;
  options->descriptor_count++;
}

void parse_options(int count, char **arguments, struct options *options) {
  *options = (struct options){0};
  int i = 1;
  for (; i < count && strcmp(arguments[i], "--"); i++) {
    const char *name = arguments[i];
    if (!strcmp(name, "--kvm")) {
      options->kvm = true;
      continue;
    }
    if (++i == count) fail("options", name);
    char *value = arguments[i];
    if (!strcmp(name, "--pidfile")) options->pidfile = value;
    else if (!strcmp(name, "--root")) options->root = value;
    else if (!strcmp(name, "--stderr")) options->output = value;
    // Never a uid that people or services of the host have.
    else if (!strcmp(name, "--uid")) options->uid = (uid_t)number(value, 65536, 2147483647);
    else if (!strcmp(name, "--cgroup")) {
      if (options->cgroup_count == MOST_CGROUPS) fail("options", "too many cgroups");
      options->cgroups[options->cgroup_count++] = value;
    } else if (!strcmp(name, "--file")) add_descriptor(options, FILE_READ, value);
    else if (!strcmp(name, "--memfd")) add_descriptor(options, SEALED_MEMFD, value);
    else if (!strcmp(name, "--listen")) add_descriptor(options, LISTENER, value);
    else if (!strcmp(name, "--tap")) add_descriptor(options, TAP, value);
    else fail("options", name);
  }
  if (i + 1 >= count) fail("options", "no command after --");
  options->command = arguments + i + 1;
  if (!options->pidfile || !options->root || !options->uid) fail("options", "--pidfile, --root and --uid are needed");
  if (options->root[0] != '/' || options->command[0][0] != '/') fail("options", "--root and the command are absolute");
}
