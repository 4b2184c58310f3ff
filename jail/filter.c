// The system calls that the command is refused with EPERM, on top of QEMU's own -sandbox, which leaves e.g.
// unshare(CLONE_NEWUSER), chroot, userfaultfd and sockets open. A list of refusals, not of permissions: QEMU and libc
// may change from one Debian update to the next, and what is here is what neither of them ever needs.
#define _GNU_SOURCE
#include "jail.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const int refused[] = {
  // Reaching others. listen, accept and messages work: QEMU accepts on the listening sockets it was given.
  SYS_socket, SYS_socketpair, SYS_connect, SYS_bind,
  // Other processes, and new ones.
  SYS_fork, SYS_vfork, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp,
  SYS_pidfd_open, SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_migrate_pages, SYS_move_pages,
  // Other views of the machine.
  SYS_mount, SYS_umount2, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsmount, SYS_fsconfig, SYS_fspick,
  SYS_mount_setattr, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_open_by_handle_at, SYS_name_to_handle_at,
  // Large surfaces of the kernel.
  SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
  SYS_fanotify_init, SYS_inotify_init, SYS_inotify_init1, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_modify_ldt,
  SYS_mq_open, SYS_shmget, SYS_msgget, SYS_semget, SYS_personality, SYS_lookup_dcookie, SYS_vmsplice,
  // The machine itself.
  SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_quotactl,
  SYS_swapon, SYS_swapoff, SYS_reboot, SYS_acct, SYS_syslog, SYS_iopl, SYS_ioperm, SYS_vhangup, SYS_settimeofday,
  SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime,
  // Files that are not plain ones.
  SYS_mknod, SYS_mknodat, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat,
};

// Of the ioctls of terminals and taps (both 0x54xx) only these; of those of sockets (0x89xx) none. A tap must not be
// given away, renamed or made to stay or go.
static const unsigned allowed_ioctls[] = {
  TCGETS, FIONREAD, FIONBIO, TUNGETIFF, TUNGETFEATURES, TUNSETOFFLOAD, TUNSETSNDBUF, TUNGETSNDBUF, TUNGETVNETHDRSZ,
  TUNSETVNETHDRSZ, TUNSETVNETLE, TUNSETVNETBE, TUNGETVNETLE, TUNGETVNETBE,
};

// A newer call than those this list was judged against does not exist for the command.
enum { NEWEST_JUDGED = SYS_mount_setattr, X32 = 0x40000000 };

enum { COUNT_REFUSED = sizeof refused / sizeof *refused, COUNT_IOCTLS = sizeof allowed_ioctls / sizeof *allowed_ioctls };
static struct sock_filter program[64 + 2 * COUNT_REFUSED + 2 * COUNT_IOCTLS];
static unsigned short length;

static void add(struct sock_filter instruction) { program[length++] = instruction; }
static void load(unsigned offset) { add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)); }
static void answer(unsigned action) { add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action)); }
// Runs the next `count` instructions only where the comparison holds.
static void when(unsigned test, unsigned value, unsigned char count) {
  add((struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, count));
}
static void unless(unsigned test, unsigned value, unsigned char count) {
  add((struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, count, 0));
}

enum { REFUSE = SECCOMP_RET_ERRNO | EPERM, UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS };

static void judge_ioctl(void) {
  when(BPF_JEQ, SYS_ioctl, 2 * COUNT_IOCTLS + 7);
  load(offsetof(struct seccomp_data, args[1]));
  for (int i = 0; i < COUNT_IOCTLS; i++) {
    when(BPF_JEQ, allowed_ioctls[i], 1);
    answer(SECCOMP_RET_ALLOW);
  }
  add((struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00));
  when(BPF_JEQ, 0x5400, 1);
  answer(REFUSE);
  when(BPF_JEQ, 0x8900, 1);
  answer(REFUSE);
  answer(SECCOMP_RET_ALLOW);
}

// Threads yes, processes no; clone3 hides its flags behind a pointer, and libc falls back to clone without it.
static void judge_clone(void) {
  when(BPF_JEQ, SYS_clone3, 1);
  answer(UNKNOWN);
  when(BPF_JEQ, SYS_clone, 4);
  load(offsetof(struct seccomp_data, args[0]));
  unless(BPF_JSET, CLONE_THREAD, 1);
  answer(REFUSE);
  answer(SECCOMP_RET_ALLOW);
}

void install_filter(void) {
  load(offsetof(struct seccomp_data, arch));
  unless(BPF_JEQ, AUDIT_ARCH_X86_64, 1);
  answer(SECCOMP_RET_KILL_PROCESS);
  load(offsetof(struct seccomp_data, nr));
  when(BPF_JGE, X32, 1);
  answer(SECCOMP_RET_KILL_PROCESS);
  when(BPF_JGT, NEWEST_JUDGED, 1);
  answer(UNKNOWN);
  for (int i = 0; i < COUNT_REFUSED; i++) {
    when(BPF_JEQ, refused[i], 1);
    answer(REFUSE);
  }
  judge_clone();
  judge_ioctl();
  answer(SECCOMP_RET_ALLOW);
  struct sock_fprog filter = {.len = length, .filter = program};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) fail_errno("filter", NULL);
}
