// SPDX-License-Identifier: Apache-2.0
/*
 * PID 1 of a machine without kvmbox, for trying the guest kernel alone (boot/guest-kernel/try): mounts what programs
 * expect and the 9p share `share` on /share, runs the programs named on the kernel's command line as do=PROGRAM, and
 * ends as end= says.
 *
 *   slot=NAME     unbind a virtio-mmio slot, if it is bound, and bind it; says how that went
 *   mnt=OPTIONS   9p mount options, besides trans=virtio,version=9p2000.L
 *   do=PROGRAM    /share/bin/PROGRAM with the argument /share/work; may be given several times
 *   arg=TEXT      a second argument for all of them
 *   end=off|reset|panic|halt
 *
 * Trust: the command line is the tester's. Threads: one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void mount_on(const char *what, const char *where, const char *type, const char *options)
{
	(void)mkdir(where, 0755);
	if (mount(what, where, type, 0, options) < 0)
		printf("bare_init: mount %s on %s (%s): %s\n", type, where, options, strerror(errno));
}

static void run(const char *program, char *arg)
{
	char path[128], work[] = "/share/work";
	char *argv[] = { path, work, arg, NULL };
	int status = 0;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "/share/bin/%s", program);
	pid = fork();
	if (pid == 0) {
		execv(path, argv);
		printf("bare_init: %s: %s\n", path, strerror(errno));
		fflush(stdout);
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		printf("ran %s: status %#x\n", program, (unsigned int)status);
	fflush(stdout);
}

static int tell_driver(const char *file, const char *slot)
{
	char path[128];
	int fd, r = 0;

	(void)snprintf(path, sizeof(path), "/sys/bus/platform/drivers/virtio-mmio/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, slot, strlen(slot)) < 0)
		r = errno;
	if (fd >= 0)
		close(fd);
	return r;
}

static void rebind(const char *slot)
{
	int unbound = tell_driver("unbind", slot), bound = tell_driver("bind", slot);

	printf("slot %s: unbind %s, bind %s\n", slot, strerror(unbound), strerror(bound));
}

static void end(const char *how)
{
	if (strcmp(how, "reset") == 0) {
		(void)reboot(RB_AUTOBOOT);
	} else if (strcmp(how, "halt") == 0) {
		(void)reboot(RB_HALT_SYSTEM);
	} else if (strcmp(how, "panic") != 0) {
		(void)reboot(RB_POWER_OFF);
	} /* and for a panic PID 1 just ends */
}

int main(void)
{
	static char line[4096], options[512] = "trans=virtio,version=9p2000.L";
	char *word[64], *rest = line, *arg = NULL;
	const char *how = "off";
	int words = 0, fd;

	mount_on("proc", "/proc", "proc", "");
	mount_on("sysfs", "/sys", "sysfs", "");
	mount_on("devtmpfs", "/dev", "devtmpfs", "");
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		printf("bare_init: /proc/cmdline: %s\n", strerror(errno));
	line[strcspn(line, "\n")] = '\0';
	while (words < 64 && (word[words] = strsep(&rest, " ")) != NULL)
		words++;
	for (int i = 0; i < words; i++) {
		if (strncmp(word[i], "mnt=", 4) == 0)
			(void)snprintf(options, sizeof(options), "trans=virtio,version=9p2000.L,%s", word[i] + 4);
		else if (strncmp(word[i], "arg=", 4) == 0)
			arg = word[i] + 4;
		else if (strncmp(word[i], "end=", 4) == 0)
			how = word[i] + 4;
		else if (strncmp(word[i], "slot=", 5) == 0)
			rebind(word[i] + 5);
	}
	mount_on("share", "/share", "9p", options);
	for (int i = 0; i < words; i++)
		if (strncmp(word[i], "do=", 3) == 0)
			run(word[i] + 3, arg);
	fflush(stdout);
	end(how);
	return 0;
}
