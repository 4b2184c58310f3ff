// What the parts of the launcher share. The contract is spec/jail.md.
#pragma once
#include <stdnoreturn.h>
#include <stdbool.h>
#include <sys/types.h>

enum { MOST_DESCRIPTORS = 32, MOST_CGROUPS = 8 };
// Descriptor numbers that may be asked for; the launcher keeps its own above, so that none is in another's way.
enum { FIRST_GIVEN = 3, LAST_GIVEN = 255, FIRST_OWN = 512 };

enum kind { FILE_READ, FILE_WRITE, FILE_READ_WRITE, SEALED_MEMFD, LISTENER, TAP };

struct descriptor {
  enum kind kind;
  int number;       // what the command sees it as
  const char *path; // or the tap's name
  int opened;       // where it lies until then
};

struct options {
  const char *pidfile, *root, *output;
  uid_t uid;
  bool kvm;
  const char *cgroups[MOST_CGROUPS];
  int cgroup_count;
  struct descriptor descriptors[MOST_DESCRIPTORS];
  int descriptor_count;
  char **command;
};

// fail.c: every failure is one line, `jail: step: reason`, and exit status 111.
enum { JAIL_FAILED = 111 };
extern int complaints;                             // the descriptor that failures are written to
extern int progress;                               // in the child: where the launcher hears of a failure, else -1
noreturn void fail(const char *step, const char *reason);
noreturn void fail_errno(const char *step, const char *about);
int keep(const char *step, int descriptor);        // moves a descriptor out of the way (>= FIRST_OWN, close-on-exec)

// options.c
void parse_options(int count, char **arguments, struct options *options);

// descriptors.c: what only root and only the host's namespaces can open
void open_descriptors(struct options *options);
void hand_over_descriptors(const struct options *options);

// confine.c, filter.c: in the child, in this order
void enter_root(const struct options *options);
void give_up_privileges(const struct options *options);
void install_filter(void);

// supervise.c
void write_pidfile(const char *path, pid_t child);
int supervise(pid_t child, int output_pipe, int output_file);
