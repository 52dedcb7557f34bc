"""The lab profile asks nobody: `make run` with every address but this machine's own refused, an empty home, and sources to read alone.

Two walls stand around it. In each Python, kernels and their children included, `tests/slow/hub/loopback` refuses and notes what is tried.
Where the system lets its users have namespaces, there is also no network but the loopback, for those who open a socket without Python's
knowledge, and the sources are mounted read-only; elsewhere the tests say that they only compared them afterwards.
"""

import hashlib
import json
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

APART = ["unshare", "--map-root-user", "--mount", "--net"]
SHUT_IN = """
ip link set lo up
mount --bind "$SOURCES" "$SOURCES"
mount -o remount,bind,ro "$SOURCES"
mount --bind "$NAMES" /etc/hosts
"$@" && status=0 || status=$?
cat /proc/net/snmp > "$COUNTS"
exit $status
"""
NAMES = "127.0.0.1 localhost {own}\n::1 localhost\n::ffff:127.0.0.1 localhost\n"  # PyTorch asks what its end of the loopback is called


@pytest.fixture(scope="module")
def apart() -> bool:
    """Whether this user may have a network and mounts of his own."""
    try:
        return subprocess.run([*APART, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def shut_in(apart, course, environment, tmp_path):
    """Runs a command in the copy of the course, with a home that is empty at first."""

    def call(*command) -> SimpleNamespace:
        home, refused, counts = tmp_path / "home", tmp_path / "refused", tmp_path / "counts"
        home.mkdir()
        names = tmp_path / "names"
        names.write_text(NAMES.format(own=socket.gethostname()))
        hook = {"PYTHONPATH": f"{course}/tests/slow/hub/loopback:{course}", "LOOPBACK_REFUSED": str(refused)}
        places = {"HOME": str(home), "SOURCES": str(course), "COUNTS": str(counts), "NAMES": str(names)}
        walls = [*APART, "sh", "-ec", SHUT_IN, "sh"] if apart else []
        done = subprocess.run([*walls, *command], cwd=course, env=environment | hook | places, capture_output=True, text=True)
        hosts = set(refused.read_text(encoding="utf-8").split()) if refused.exists() else set()
        return SimpleNamespace(done=done, hosts=hosts, unrouted=unrouted(counts) if apart else None, home=home)

    return call


def unrouted(counts: Path) -> int:
    """Packets and connections that the kernel knew no way for."""
    names, numbers = (line.split() for line in counts.read_text().splitlines() if line.startswith("Ip:"))
    return int(numbers[names.index("OutNoRoutes")])


def contents(tree: Path) -> dict[str, str]:
    files = (path for path in tree.rglob("*") if path.is_file() and ".venv" not in path.relative_to(tree).parts)
    return {str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_all_chapters_pass_without_network_home_or_a_word_written_beside_the_sources(shut_in, course, tmp_path, apart):
    out, before = tmp_path / "out", contents(course)
    ran = shut_in("make", "run", f"OUT={out}")
    assert ran.done.returncode == 0, ran.done.stdout + ran.done.stderr[-3000:]
    rows = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert {row["chapter"] for row in rows} == {path.stem for path in (course / "notebooks").glob("*.ipynb")}
    assert {row["verdict"] for row in rows} == {"pass"}
    assert ran.hosts == set() and ran.unrouted in (0, None)
    assert contents(course) == before
    left = {path.name for path in ran.home.iterdir()}
    assert left <= {".cache", ".config", ".ipython", ".local"}, "more than the libraries' own"
    print("read-only sources, no network but the loopback" if apart else "no namespaces here: sources compared, Python's sockets watched")


def test_the_walls_stand(shut_in, small_chapter, course, tmp_path, apart):
    new = course / "lab" / "new"
    control = small_chapter(
        tmp_path / "01_control.ipynb",
        f"import helpers; assert helpers.__file__.startswith({str(course)!r})",
        "import socket, subprocess, sys\nhere = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(here.getsockname())",
        "subprocess.run([sys.executable, '-c', 'import socket; socket.create_connection((\"192.0.2.1\", 80), timeout=5)'])",
        "subprocess.run(['bash', '-c', 'echo > /dev/udp/192.0.2.2/9'])",  # bash has sockets of its own
        f"subprocess.run(['touch', {str(new)!r}])",
        "socket.getaddrinfo('example.org', 80)",
    )
    ran = shut_in(".venv/bin/python", "tools/run.py", control, "--out", tmp_path / "out")
    assert ran.done.returncode == 1
    assert "01_control failed in cell [8] (Training): ConnectionRefusedError: example.org is another machine" in ran.done.stderr
    assert ran.hosts == {"192.0.2.1", "example.org"}
    if apart:
        assert ran.unrouted == 1 and not new.exists()
    new.unlink(missing_ok=True)
