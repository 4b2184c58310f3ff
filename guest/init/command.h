// exec.c and command.c: a command's standard streams.
#pragma once
#include "init.h"

struct streams {
  int in, out, err;
};

// Ours in `own`, the command's in `child`. With a terminal they are its two ends, and own.err is -1.
bool streams_open(bool tty, const uint8_t *size, struct streams *own, struct streams *child);
void streams_close(struct streams *streams);

// In the child of program_enter(): becomes the command, or says on its stderr why it cannot, and ends.
_Noreturn void command_become(bool tty, struct streams child, const char *const *argv, const struct environment *environment);
