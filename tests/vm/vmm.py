#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kvmbox-vmm by itself. usage: vmm.py BUILD (on a machine with KVM, as root)

The guest is a busybox shell as /init that runs what comes in on the serial console; the tests talk to it by that and to
the VMM by its control socket. Prints `ok NAME` and `not ok NAME: why`, then `end of suite`.
"""
import array
import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import time

BUILD = sys.argv[1]
WORK = "/run/kvmbox-vmm-test"
VMM = f"{WORK}/kvmbox-vmm"
KERNEL = f"{WORK}/vmlinux"
INITRD = f"{WORK}/initrd"
LIMIT = 120
MOUNT = "mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=writethrough "
DRIVER = "/sys/bus/platform/drivers/virtio-mmio"

INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys
stty -echo -opost
echo READY
while read -r line; do eval "$line" 2>&1; echo "END $?"; done
poweroff -f
"""


def newc(entries):
    out = b""
    for ino, (name, mode, data, rdev) in enumerate(entries + [("TRAILER!!!", 0, b"", (0, 0))]):
        name = name.encode() + b"\0"
        fields = [ino, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name), 0]
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name
        out += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return out


def prepare():
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(f"{WORK}/one/sub")
    os.makedirs(f"{WORK}/two")
    for name, text in (("one/file", "hello from the host\n"), ("two/v", "volume\n")):
        with open(f"{WORK}/{name}", "w") as f:
            f.write(text)
    for name in ("kvmbox-vmm", "vmlinux"):
        shutil.copy(f"{BUILD}/libexec/kvmbox/{name}", WORK)
    with open("/bin/busybox", "rb") as f:
        busybox = f.read()
    dirs = [(d, 0o40755, b"", (0, 0)) for d in ("bin", "dev", "proc", "sys", "mnt", "tmp")]
    with open(INITRD, "wb") as f:
        f.write(newc(dirs + [("dev/console", 0o20600, b"", (5, 1)), ("bin/busybox", 0o100755, busybox, (0, 0)),
                             ("init", 0o100755, INIT.encode(), (0, 0))]))


def check(name, good, info=""):
    print(f"ok {name}" if good else f"not ok {name}: {info}", flush=True)


class VM:
    def __init__(self, *args, fds=()):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(LIMIT)
        self.proc = subprocess.Popen(
            [VMM, "--kernel", KERNEL, "--initrd", INITRD, "--console", "--cmdline", "quiet",
             "--control-fd", str(theirs.fileno()), *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno(), *fds])
        theirs.close()
        self.buf = b""
        self.until(b"READY")

    def until(self, what):
        end = time.time() + LIMIT
        while what not in self.buf:
            ready, _, _ = select.select([self.proc.stdout], [], [], max(0, end - time.time()))
            data = os.read(self.proc.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise RuntimeError(f"no {what!r} but {self.buf!r}")
            self.buf += data
        at = self.buf.index(what) + len(what)
        got, self.buf = self.buf[:at], self.buf[at:]
        return got

    def type(self, line):
        self.proc.stdin.write(line.encode() + b"\n")
        self.proc.stdin.flush()

    def sh(self, command):
        """(exit status, output)"""
        self.type(command)
        text = self.until(b"END ")[:-4].decode(errors="replace").replace("\r", "").strip()
        return int(self.until(b"\n")), text

    def ask(self, message, *fds):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.control.sendmsg([message.encode()], rights)
        return self.control.recv(2000).decode()

    def end(self):
        """(exit status, last message, stderr)"""
        status = self.proc.wait(LIMIT)
        try:
            last = self.control.recv(2000).decode()
        except OSError as e:
            last = str(e)
        return status, last, self.proc.stderr.read().decode()


@contextlib.contextmanager
def vm(*args, fds=()):
    machine = VM(*args, fds=fds)
    try:
        yield machine
    finally:
        machine.proc.kill()
        machine.proc.wait()


def bind(n, how="bind"):
    return f"echo virtio-mmio.{n} > {DRIVER}/{how}"


def slots():
    two = os.open(f"{WORK}/two", os.O_PATH)
    with vm("--share", f"path={WORK}/one,tag=one") as m:
        status, text = m.sh(MOUNT + "one /mnt && cat /mnt/file && echo guest > /mnt/g")
        check("a share is mounted", status == 0 and "hello from the host" in text, text)
        with open(f"{WORK}/one/g") as f:
            check("what the guest writes is on the host", f.read() == "guest\n")
        check("ping", m.ask("ping") == "ok")
        check("a slot is filled in a running VM", (r := m.ask("slot-add share,tag=two", two)) == "ok slot=1", r)
        check("it is not there before it is bound", m.sh("mkdir -p /v; " + MOUNT + "two /v")[0] != 0)
        status, text = m.sh(bind(1) + "; " + MOUNT + "two /v && cat /v/v")
        check("bound in sysfs it is there", status == 0 and "volume" in text, text)
        check("it is busy while bound", (r := m.ask("slot-del 1")) == "busy", r)
        m.sh("umount /v; " + bind(1, "unbind"))
        check("unbound it is emptied", (r := m.ask("slot-del 1")) == "ok", r)
        check("an empty slot cannot be emptied", (r := m.ask("slot-del 1")).startswith("error "), r)
        check("a slot is filled again, read-only", (r := m.ask("slot-add share,tag=three,ro", two)) == "ok slot=1", r)
        status, text = m.sh(bind(1) + "; " + MOUNT + "three /v && cat /v/v && ! echo x > /v/n")
        check("read-only is kept", status == 0 and "Read-only" in text, text)
        for n in range(2, 16):
            m.ask(f"slot-add share,tag=t{n}", two)
        check("a 17th device is refused", (r := m.ask("slot-add share,tag=t", two)).startswith("error all 16"), r)
        numbers = " ".join(map(str, range(2, 16)))
        status, text = m.sh(f"for i in {numbers}; do echo virtio-mmio.$i > {DRIVER}/bind; mkdir -p /v$i; {MOUNT} t$i /v$i"
                            " && cat /v$i/v; done | grep -c volume")
        check("all 16 slots work", text == "14", text)
        check("entry-add without a root is refused", (r := m.ask("entry-add ro=0", two)).startswith("error "), r)
        check("klog", (r := m.ask("klog")).startswith("ok lines="), r)
        m.type("poweroff -f")
        status, last, err = m.end()
        check("power off", (status, last) == (0, "exit poweroff"), (status, last))
        check("klog went to the log", "Linux version" in err, err[-300:])
    os.close(two)


def entries():
    fds = [os.open(f"{WORK}/one", os.O_PATH), os.open(f"{WORK}/two", os.O_PATH)]
    with vm("--root", f"tag=kvmbox,fd={fds[0]},fd={fds[1]}:ro", fds=fds) as m:
        status, text = m.sh(MOUNT + "kvmbox /mnt && cat /mnt/0/file /mnt/1/v && ! touch /mnt/1/x && ! touch /mnt/x")
        check("the synthetic root has its entries", status == 0 and "volume" in text, text)
        check("an entry is added", (r := m.ask("entry-add ro=0", fds[1])) == "ok entry=2", r)
        check("and seen", m.sh("cat /mnt/2/v")[1] == "volume")
        file = os.open(f"{WORK}/one/file", os.O_RDWR)
        check("a file is added", (r := m.ask("entry-add ro=0", file)) == "ok entry=3", r)
        check("and read", m.sh("cat /mnt/3")[1] == "hello from the host")
        os.close(file)
        m.control.close()
        check("the closed control socket ends the VM", m.proc.wait(LIMIT) == 6)
    for fd in fds:
        os.close(fd)


def maps(m):
    with open(f"/proc/{m.proc.pid}/maps") as f:
        return f.read()


def no_heap():
    with vm("--share", f"path={WORK}/one,tag=one") as m:
        before = maps(m)
        status, text = m.sh(MOUNT + "one /mnt; for i in $(seq 30); do echo $i > /mnt/f$i; done; cp /bin/busybox /mnt/b;"
                            " find /mnt > /dev/null; rm -rf /mnt/f* /mnt/b; umount /mnt")
        check("the guest makes the VMM map and allocate nothing", before == maps(m), text)


def end_by(name, line, status, last, *args, log=""):
    with vm(*args) as m:
        m.type(line)
        got = m.end()
        check(name, got[0] == status and got[1].startswith(last) and log in got[2], got)


def ends():
    end_by("reset", "reboot -f", 5, "exit reset")
    end_by("panic, with the kernel's last lines", "exit 3", 3, "exit panic", log="Attempted to kill init! exitcode=0x00000300")
    with vm() as m:
        m.proc.terminate()
        got = m.end()
        check("SIGTERM", got[0] == 6 and got[1].startswith("exit killed"), got)
    triple = (b"\x48\x83\xec\x10" b"\x48\xc7\x04\x24\0\0\0\0" b"\x48\xc7\x44\x24\x08\0\0\0\0" b"\x0f\x01\x1c\x24" b"\xcc")
    done = tiny(triple)  # an empty IDT, then a breakpoint
    check("triple fault", done.returncode == 3 and "triple-fault" in done.stderr, done)
    done = tiny(b"\x66\xba\x64\x00\xb0\xfe\xee\xf4\xeb\xfd")  # the keyboard controller's reset
    check("keyboard reset of a kernel without symbols", done.returncode == 5, done)


def tiny(code):
    """Run a few instructions as the kernel."""
    def u(n, width):
        return n.to_bytes(width, "little")
    base, head = 0x100000, 64 + 56
    elf = (b"\x7fELF\x02\x01\x01" + bytes(9) + u(2, 2) + u(62, 2) + u(1, 4) + u(base, 8) + u(64, 8) + bytes(12)
           + u(64, 2) + u(56, 2) + u(1, 2) + bytes(6))
    elf += u(1, 4) + u(5, 4) + u(head, 8) + u(base, 8) * 2 + u(len(code), 8) * 2 + u(4096, 8) + code
    with open(f"{WORK}/tiny", "wb") as f:
        f.write(elf)
    return subprocess.run([VMM, "--kernel", f"{WORK}/tiny", "--log-level", "info"], capture_output=True, text=True,
                          timeout=LIMIT, stdin=subprocess.DEVNULL)


def shapes():
    with vm("--cpus", "2") as m:
        status, text = m.sh("nproc; grep -c 'cpu cores.*2' /proc/cpuinfo")
        check("two processors", text.split() == ["2", "2"], text)
    with vm("--mem", "64M") as m:
        status, text = m.sh("grep MemTotal /proc/meminfo")
        check("64 MiB are enough", status == 0, text)
    with vm("--mem", "3500M") as m:
        status, text = m.sh("grep 'System RAM' /proc/iomem")
        check("memory beyond 3 GiB begins at 4 GiB", "00100000-bfffffff" in text and "100000000-11abfffff" in text, text)
    with vm() as m:
        line = "x" * 3000
        check("long input reaches the guest whole", m.sh(f"printf %s {line} | wc -c")[1] == "3000")
        m.type("seq 3000")
        time.sleep(3)  # a reader that does not read yet
        text = m.until(b"END ").decode().split()
        check("output waits for a slow reader", text[:-1] == [str(n) for n in range(1, 3001)], len(text))


def main():
    prepare()
    for part in (slots, entries, no_heap, ends, shapes):
        try:
            part()
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as e:
            check(part.__name__, False, e)
    shutil.rmtree(WORK)
    print("end of suite")


main()
