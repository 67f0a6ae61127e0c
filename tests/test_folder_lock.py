import errno
import fcntl
import os
import subprocess
import sys

import pytest

from dense_det.folder_lock import FolderLock


def test_one_job_at_a_time(tmp_path):
    folder = tmp_path / "out"
    first = FolderLock(folder)
    with pytest.raises(ValueError, match=r"out: at work here is another process: wait for its end, or end it"):
        FolderLock(folder)
    first.tell({os.getpid(): "make zoo.py", 2**22 + 1: "has ended"})  # no process has an id so high
    with pytest.raises(ValueError, match=rf"at work here is make zoo.py \(pid {os.getpid()}\): wait"):
        FolderLock(folder)
    FolderLock(tmp_path / "other").release()
    first.release()
    FolderLock(folder).release()


def test_a_child_that_outlives_its_parent_keeps_the_folder(tmp_path):
    lock = FolderLock(tmp_path)
    # ends when its standard input does
    waiting = [sys.executable, "-S", "-c", "input()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, pass_fds=(lock.descriptor,)) as child:
        lock.tell({2**22 + 1: "distill.py", child.pid: "teacher"})
        lock.release()  # what the kernel does after a kill -9
        with pytest.raises(ValueError, match=rf"at work here is teacher \(pid {child.pid}\)"):
            FolderLock(tmp_path)
        child.communicate(b"\n")
    FolderLock(tmp_path).release()


def test_a_file_system_without_locks_is_open_to_all(tmp_path, monkeypatch, caplog):
    def no_lock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_lock)
    FolderLock(tmp_path).tell({1: "a"})
    assert "nothing keeps a second job out" in caplog.text
