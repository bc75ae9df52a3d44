#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boots a test kernel, runs a shell command in it as root, and fails unless
the guest says in so many words that all went well.

  boot.py [OPTION...] -k NAME -- COMMAND...

  -k  kernel, see kernel.sh
  -t  seconds for the whole run (default 60)
  -l  where to leave the kernel log (default: log/boot-NAME.log in the cache)
  -n  no scan for leaks at the end (a kernel with kmemleak: 6 s and more)
  -c  the model of CPU that QEMU emulates for another machine than this
  -a  an argument for the kernel, as often as needed
  -i  HOSTFILE:GUESTPATH: a file or folder to put in the guest, with the libraries it
      needs; as often as needed

A user-mode kernel runs COMMAND in the caller's working directory on the
host's own files, which it cannot change but for that directory and the
repository; GUESTPATH must be below /tmp. In QEMU there are busybox, the
scripts of the tests in /tmp/tests, and the files of -i; COMMAND starts in /tmp.

Exit status: COMMAND's, or
  121  the kernel log holds a report (they are printed)
  122  wrong usage, or no such kernel
  124  time is up: the guest was killed. One that hangs before the command is started once more
  125  the guest ended without a verdict: panic, failed boot, power off
"""
import contextlib
import getopt
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from common import CACHE, HERE, variables

TESTS = HERE.parent
MEMORY = 1024  # MB
BOOT = 300  # seconds until the command starts at the latest; most kernels need 5
STARTS = "shmring-vm: command starts"
ENDS = {number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) != signal.SIG_IGN}


def say(*words):
    print("boot.py:", *words, file=sys.stderr, flush=True)


def refuse(*why):
    say(*why)
    sys.exit(122)


def asked_for(words):
    """What the command line says."""
    try:
        given, command = getopt.getopt(words, "t:k:l:i:nc:a:")
    except getopt.GetoptError:
        given = command = []
    last = dict(given)
    if not (command and last.get("-k") and re.fullmatch("[1-9][0-9]*", last.get("-t", "60"))):
        refuse("usage:", re.search("boot.py .*", __doc__)[0])
    files = [value.partition(":")[::2] for option, value in given if option == "-i"]
    for host, guest in files:
        if not (guest and Path(host).exists()):
            refuse(f"-i {host}: no such file, or no GUESTPATH")
    return SimpleNamespace(
        name=last["-k"], limit=int(last.get("-t", 60)), cpu=last.get("-c"), files=files,
        log=Path(last.get("-l") or CACHE / f"log/boot-{last['-k']}.log"),
        scan="n" if "-n" in last else "y", command=" ".join(command),
        arguments=["panic=-1", "oops=panic", "unknown_nmi_panic", "printk.devkmsg=on",
                   *(value for option, value in given if option == "-a")])


def prepare(asked, init, folder, directory):
    """What the guest is to do, for init.sh."""
    shutil.copy(HERE / "init.sh", init)
    for name, text in (("settings", f"{int(time.time()) + asked.limit} {asked.scan}"),
                       ("command", asked.command), ("directory", directory)):
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


# ---------------------------------------------------------------------- User Mode Linux


def uml(asked, kernel, run, out):
    """How to start a user-mode kernel; its command's output goes to the descriptor."""
    prepare(asked, run / "init", run, os.getcwd())
    keep = {CACHE / "kernel": "ro", TESTS.parent: "rw", Path.cwd(): "rw", run: "rw"}
    (run / "keep").write_text("".join(f"{keep[folder]} {folder}\n" for folder in sorted(keep)),
                              encoding="utf-8")
    (run / "files").write_text("".join(f"{Path(host).resolve()}:{guest}\n"
                                       for host, guest in asked.files), encoding="utf-8")
    for host, guest in asked.files:
        if not guest.startswith("/tmp/"):
            refuse(f"-i {host}:{guest}: a user-mode kernel takes FILE:/tmp/...")
    # the guest's memory is a file, unlinked at once
    if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > MEMORY << 20:
        os.environ["TMPDIR"] = "/dev/shm"
    return [kernel["IMAGE"], f"mem={MEMORY}M", "ncpus=2", "seccomp=on",
            "rootfstype=hostfs", "rootflags=/", "rw", f"init={run}/init",
            f"uml_dir={run}/uml/", f"vm_run={run}",
            "con=null", "ssl=null", "con0=null,fd:1", f"con1=null,fd:{out}", *asked.arguments]


# ------------------------------------------------------------------------------- QEMU

# By kbuild's name of a machine: Debian's, if it is not this one; QEMU's; board; CPU; console;
# the first of two more serial ports. QEMU 7.2 now and then garbles the flags after cmpxchg16b:
# the guest dies of double faults early in its boot, one time in three. The architecture's own
# pointer authentication is slow to emulate.
MACHINES = {
    "x86_64": ("", "x86_64", "pc", "max,cx16=off", "ttyS0", 1),
    "arm64": ("arm64", "aarch64", "virt,gic-version=3", "max,pauth-impdef=on", "ttyAMA0", 0),
    "riscv": ("riscv64", "riscv64", "virt", "rv64", "ttyS0", 1),
}


def add_file(root, host, guest):
    """To the initramfs, with the libraries that it needs."""
    there = Path(f"{root}/{guest}")
    there.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-aH", host, there], check=True)
    programs = [file for file in (there, *there.rglob("*"))
                if file.is_file() and file.stat().st_mode & 0o111]
    needs = subprocess.run(["ldd", *programs], text=True, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    for library in re.findall(r"/[^ :\n]+", needs):
        copy = Path(f"{root}{library}")
        if not library.startswith(str(root)) and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, copy)


def make_initramfs(asked, run, busybox, first_serial):
    root = run / "root"
    for folder in "bin", "vm", "tmp":
        (root / folder).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    prepare(asked, root / "init", root / "vm", "/tmp")
    (root / "vm/serial").write_text(f"/dev/ttyS{first_serial} /dev/ttyS{first_serial + 1}\n",
                                    encoding="utf-8")
    for file in "lib.sh", "guest.sh", "runtests.sh", "tool/run.sh", "kunit/cases.awk":
        add_file(root, TESTS / file, f"/tmp/tests/{file}")
    for host, guest in asked.files:
        add_file(root, host, guest)
    subprocess.run("find . | cpio -o -H newc --quiet -R 0:0 >../initrd",
                   shell=True, cwd=root, check=True)


def accelerator(name):
    """KVM may be there and yet not run an ordinary kernel: tries, and remembers."""
    if os.environ.get("SHMRING_ACCEL"):
        return os.environ["SHMRING_ACCEL"]
    if not os.access("/dev/kvm", os.W_OK):
        return "tcg"
    probed = CACHE / f"kvm/{name}-{os.uname().release}"
    if not (probed.exists() and probed.read_text(encoding="utf-8")):
        say("probing KVM (once)")
        probed.parent.mkdir(parents=True, exist_ok=True)
        with subprocess.Popen(
                [__file__, "-t", "8", "-k", name, "-l", os.devnull, "--", "true"],
                env=dict(os.environ, SHMRING_ACCEL="kvm"),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as probe:
            try:
                runs = probe.wait() == 0
            finally:
                probe.terminate()
        probed.write_text("kvm\n" if runs else "tcg\n", encoding="utf-8")
    return probed.read_text(encoding="utf-8").strip()


def qemu(asked, kernel, run, out):
    """How to start a guest in QEMU; its command's output goes to the descriptor."""
    debian, machine, board, cpu, console, first_serial = MACHINES[kernel["ARCH"]]
    emulator = f"qemu-system-{machine}"
    # a foreign guest needs its own busybox
    busybox = variables("cross.sh", debian).get("BUSYBOX") if debian else shutil.which("busybox")
    if not (busybox and shutil.which(emulator)):
        refuse(f"busybox or {emulator} is missing; run {HERE}/deps.sh vm {debian}")
    kvm = not debian and accelerator(asked.name) == "kvm"
    make_initramfs(asked, run, busybox, first_serial)
    # the boards for other machines have one serial port; two more are on PCI
    device, port = ("-device", "pci-serial,chardev=") if debian else ("-serial", "chardev:")
    return [emulator, "-M", board, "-accel", "kvm" if kvm else "tcg,thread=multi",
            "-cpu", "host" if kvm else asked.cpu or cpu, "-smp", "2", "-m", str(MEMORY),
            "-nodefaults", "-display", "none", "-no-reboot", "-kernel", kernel["IMAGE"],
            "-initrd", run / "initrd", "-serial", "file:/dev/stdout",
            "-monitor", f"unix:{run}/monitor,server=on,wait=off",
            "-chardev", f"file,id=out,path=/dev/fd/{out}", device, f"{port}out",
            "-chardev", f"file,id=channel,path={run}/channel", device, f"{port}channel",
            "-append", " ".join([f"console={console}", "loglevel=6", *asked.arguments])]


# ------------------------------------------------------- the guest, from start to end


def end(number, _):
    """A signal ends the program, with all that is to be done then, and once."""
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


@contextlib.contextmanager
def session(command, **how):
    """A process that is killed in the end, with all that it started. No signal ends the program
    between the start and the note of it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    process = subprocess.Popen(
        command, start_new_session=True,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS), **how)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def say_where(monitor):
    """Where the CPUs of a guest in QEMU are, whose time is up. The NMI makes the kernel of a PC
    panic, so that its log says more."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as qemu_monitor:
        qemu_monitor.settimeout(5)
        qemu_monitor.connect(str(monitor))
        qemu_monitor.sendall(b"info registers -a\n")
        time.sleep(1)
        said = qemu_monitor.recv(1 << 16).decode(errors="replace")
        print(*re.findall("CPU#.*|[RE]IP=.*|PC=.*", said), sep="\n", file=sys.stderr)
        qemu_monitor.sendall(b"nmi\n")
        time.sleep(5)


def wait_for(guest, asked, run):
    """Returns how the guest has to be killed, if it does not end by itself. An emulated kernel
    now and then hangs before its first process; no test has begun then."""
    try:
        guest.wait(min(BOOT, asked.limit))
        return ""
    except subprocess.TimeoutExpired:
        if asked.limit > BOOT and STARTS not in text(run / "console"):
            return "boot"
    try:
        guest.wait(asked.limit - min(BOOT, asked.limit))
        return ""
    except subprocess.TimeoutExpired:
        return "late"


def run_guest(asked, kernel, run):
    """Returns as wait_for(). A cat ends by itself once all that write to it are gone."""
    start = uml if kernel["ARCH"] == "um" else qemu
    with open(run / "console", "wb") as file, \
            subprocess.Popen("cat", stdin=subprocess.PIPE) as out, \
            subprocess.Popen("cat", stdin=subprocess.PIPE, stdout=file) as console:
        command = start(asked, kernel, run, out.stdin.fileno())
        with session(command, stdin=subprocess.DEVNULL, stdout=console.stdin,
                     stderr=subprocess.STDOUT, pass_fds=[out.stdin.fileno()]) as guest:
            how = wait_for(guest, asked, run)
            if how:
                say_where(run / "monitor")
    return how


# -------------------------------------------------------------------------- the verdict

TROUBLE = re.compile("|".join((HERE / "trouble.txt").read_text(encoding="utf-8").splitlines()))


def trouble(log):
    """The bad lines. What the kernel said before the command started (on its host, on its own
    boot) does not count: one UML in SMP with PROVE_RCU says "Callback enqueued on offline CPU"
    then."""
    return [line for line in log.rpartition(STARTS)[2].split("\n")
            if TROUBLE.search(line) and "Callback enqueued on offline CPU" not in line]


def text(file):
    """Whatever bytes are in it."""
    said = file.read_bytes() if file.exists() else b""
    return said.replace(b"\r", b"").decode(errors="surrogateescape")


def judge(asked, late, channel, console):
    """The exit status. The channel is what init.sh says that it is."""
    body = "".join(channel.splitlines(keepends=True)[1:-1])
    asked.log.write_text(f"{body}--- console\n{console}", errors="surrogateescape")
    verdict = re.fullmatch(r"status (\d+)\n(.*\n)?end\n?", channel, re.S)
    if late or not verdict:
        print(*console.splitlines()[-80:], sep="\n", file=sys.stderr)
        say(f"time is up after {BOOT if late == 'boot' else asked.limit} s on {asked.name}: killed;" if late else
            f"{asked.name} ended without a verdict;", f"kernel log: {asked.log}")
        return 124 if late else 125
    if bad := list(dict.fromkeys(trouble(channel) + trouble(console))):
        print(*bad[:40], sep="\n", file=sys.stderr)
        say(f"the kernel log of {asked.name} holds the above (the command returned "
            f"{verdict[1]}); all of it: {asked.log}")
        return 121
    return int(verdict[1])


def main(words):
    for number in ENDS:
        signal.signal(number, end)
    asked = asked_for(words)
    kernel = variables("kernel.sh", asked.name)
    if not kernel.get("IMAGE"):
        refuse(f"no kernel {asked.name} that can be booted")
    for folder in CACHE / "run", asked.log.parent:
        folder.mkdir(parents=True, exist_ok=True)
    os.environ.pop("TMPDIR", None)  # where a guest's memory might go
    for last_try in False, True:
        with tempfile.TemporaryDirectory(prefix="boot.", dir=CACHE / "run") as folder:
            run = Path(folder)
            how = run_guest(asked, kernel, run)
            if how != "boot" or last_try:
                sys.exit(judge(asked, how, text(run / "channel"), text(run / "console")))
            say(f"{asked.name} did not get to the command in {BOOT} s: once more")


if __name__ == "__main__":
    main(sys.argv[1:])
