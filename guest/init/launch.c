// The last steps of a child on its way to be the program, or a command of an exec session.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "init.h"

void child_reset(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
  signal(SIGPIPE, SIG_DFL);
  file_write("/proc/self/oom_score_adj", "0");
  // Soft: enough for a busy server; not more, since some programs close every possible descriptor at start.
  setrlimit(RLIMIT_NOFILE, &(struct rlimit){65536, 524288});
  umask(022);
}

bool folder_make(const char *path) {
  char part[4096];
  struct stat found;
  if (strlen(path) >= sizeof part) return false;
  strcpy(part, path);
  for (char *slash = part + 1; *slash; slash++) {
    if (*slash != '/') continue;
    *slash = 0;
    mkdir(part, 0755);
    *slash = '/';
  }
  mkdir(part, 0755);
  return stat(part, &found) == 0 && S_ISDIR(found.st_mode);
}

// As Go's exec.LookPath, which Docker uses: folders and what may not be executed are passed over.
static bool find_command(const char *name, const char *path, char *found, size_t size) {
  struct stat file;
  if (strchr(name, '/')) return snprintf(found, size, "%s", name) < (int)size;
  for (const char *folder = path ? path : ""; *folder; folder += strcspn(folder, ":"), folder += *folder == ':') {
    int length = strcspn(folder, ":");
    if (snprintf(found, size, "%.*s/%s", length, folder, name) >= (int)size) continue;
    if (stat(found, &file) == 0 && S_ISREG(file.st_mode) && access(found, X_OK) == 0) return true;
  }
  return false;
}

static const char *processor(unsigned machine) {
  switch (machine) {
    case EM_AARCH64: return "arm64";
    case EM_ARM: return "arm";
    case EM_386: return "386";
    case EM_PPC64: return "ppc64le";
    case EM_S390: return "s390x";
    case EM_RISCV: return "riscv64";
    default: return "another processor";
  }
}

// The kernel's ENOEXEC says little; the first bytes of the file tell which of two mistakes it was.
static void explain_format(const char *file, char *problem, size_t size) {
  Elf64_Ehdr head = {0};
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? 0 : read(fd, &head, sizeof head);
  if (got >= 20 && !memcmp(head.e_ident, ELFMAG, SELFMAG) && head.e_machine != EM_X86_64)
    snprintf(problem, size, "wrong architecture: %s is built for %s, this machine is amd64", file, processor(head.e_machine));
  else
    snprintf(problem, size, "exec format error: %s is neither a program for this machine nor a script that begins with #!", file);
}

static int explain(int error, const char *file, char *problem, size_t size) {
  switch (error) {
    case ENOENT:
      if (access(file, F_OK)) snprintf(problem, size, "command not found: %s", file);
      else snprintf(problem, size, "command not found: the interpreter or loader that %s names is not in the image", file);
      return 127;
    case ENOTDIR: snprintf(problem, size, "command not found: %s", file); return 127;
    case EACCES: snprintf(problem, size, "not executable: %s: permission denied", file); return 126;
    case ENOEXEC: explain_format(file, problem, size); return 126;
    default: snprintf(problem, size, "cannot execute %s: %s", file, strerror(error)); return 126;
  }
}

int launch(const char *const *argv, const struct environment *environment, char *problem, size_t size) {
  char file[4096];
  if (!argv[0] || !argv[0][0]) {
    snprintf(problem, size, "no command: neither the image nor the deploy names one");
    return 127;
  }
  if (!find_command(argv[0], environment_get(environment, "PATH"), file, sizeof file)) {
    snprintf(problem, size, "command not found: %s", argv[0]);
    return 127;
  }
  execve(file, (char *const *)argv, (char *const *)environment->entries);
  return explain(errno, file, problem, size);
}
