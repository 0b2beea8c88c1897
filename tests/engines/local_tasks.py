"""Runners and tasks that workers import; a task is ``(function name, *arguments)``."""

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from hpo.errors import Problem, SpecError


def make_runner(*args):
    def run(task):
        name, *arguments = task
        return globals()[name](*arguments)

    return run


def make_failing_runner(text):
    raise ValueError(text)


def make_refusing_runner(where, what):
    raise SpecError([Problem(where, what)])


def make_runner_once(flag, code):
    """Die while starting, as long as ``flag`` does not exist."""
    if not Path(flag).exists():
        Path(flag).touch()
        os._exit(code)
    return make_runner()


def make_dying_runner(code):
    os._exit(code)


def make_counting_runner(folder, data):
    Path(folder, str(os.getpid())).touch()
    return lambda task: len(data) + task


def note_pid(folder):
    """Leave a file of this worker's, as something that is imported ahead might."""
    Path(folder, str(os.getpid())).touch()


def end_at_once(code):
    os._exit(code)


class EnvironmentProbe:
    """Records, when it is unpickled, what an import at that moment would see."""

    seen = None

    def __reduce__(self):
        return _record_environment, ()


def _record_environment():
    EnvironmentProbe.seen = dict(os.environ), "numpy" in sys.modules
    return EnvironmentProbe()


def environment():
    return EnvironmentProbe.seen


def blas_threads():
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    return [pool["num_threads"] for pool in threadpool_info()]


def garbage():
    """Return whether garbage is looked for, and whether what was imported is not."""
    return gc.isenabled(), gc.get_freeze_count() > 10_000


def add(one, other):
    return one + other


def pid():
    return os.getpid()


def sleep(seconds):
    time.sleep(seconds)
    return os.getpid()


def touch_and_sleep(path, seconds):
    Path(path).write_text(str(os.getpid()))
    time.sleep(seconds)
    return os.getpid()


def spin():
    while True:
        pass


def hang_in_c():
    """Hold the GIL in C, with every signal that can be blocked blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    ctypes.PyDLL(None).sleep(1000)


def with_grandchildren(path):
    """Leave a child, one in a session of its own and a daemon; then hang."""
    code = "import time; time.sleep(1000)"
    children = [
        subprocess.Popen([sys.executable, "-c", code]),
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True),
    ]
    pids = [child.pid for child in children]
    reader, writer = os.pipe()
    if os.fork() == 0:
        if (daemon := os.fork()) == 0:
            time.sleep(1000)
        os.write(writer, str(daemon).encode())
        os._exit(0)
    os.wait()
    pids.append(int(os.read(reader, 20)))
    partial = Path(path).with_suffix(".partial")
    partial.write_text(" ".join(map(str, [os.getpid(), *pids])))
    partial.rename(path)
    time.sleep(1000)


def leave_a_child():
    return subprocess.Popen(["sleep", "1000"]).pid


def kill_self(number):
    os.kill(os.getpid(), number)
    time.sleep(60)


def exit_hard(code):
    os._exit(code)


def exit_hard_from_thread(code):
    threading.Thread(target=os._exit, args=(code,)).start()
    time.sleep(60)


def exit_softly(code):
    sys.exit(code)


def interrupt():
    raise KeyboardInterrupt


def segfault():
    ctypes.string_at(0)


class TwoArgumentsError(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class PoisonError(Exception):
    def __reduce__(self):
        raise ValueError("not picklable")

    def __getattribute__(self, name):
        if name in {"args", "__dict__"}:
            raise RuntimeError("not readable")
        return super().__getattribute__(name)


class UnloadableResult:
    def __reduce__(self):
        return _load_only_in_a_worker, (os.getpid(),)


def _load_only_in_a_worker(home):
    if os.getpid() != home:
        raise ImportError("only in the worker")
    return UnloadableResult()


def fail(text):
    raise ValueError(text)


def fail_with_two_arguments():
    raise TwoArgumentsError("nan", "fold 3 is not finite")


def fail_with_local_class():
    class LocalError(Exception):
        pass

    raise LocalError("nobody can import me")


def fail_with_poison():
    raise PoisonError("poison")


def fail_with_huge_message():
    raise ValueError("x" * 50_000_000)


def fail_deeply(depth=0):
    sys.setrecursionlimit(5_000)
    return fail_deeply(depth + 1)


def unpicklable_result():
    return threading.Lock()


def unloadable_result():
    return UnloadableResult()


def megabytes(count):
    return b"x" * (count << 20)


def length(data):
    return len(data)


def hold_memory(count, seconds):
    block = bytearray(count << 20)
    time.sleep(seconds)
    return len(block)


KEPT = []


def keep_memory(count):
    KEPT.append(bytearray(b"x") * (count << 20))
    return os.getpid()


def shout():
    print("printed")
    os.write(1, b"from C\n")
    print("complained", file=sys.stderr)


def become(pids):
    return pids


class UnpicklableTask:
    def __reduce__(self):
        raise RuntimeError("stays here")


class UnloadableTask:
    def __init__(self, home):
        self.home = home

    def __reduce__(self):
        return _load_only_at_home, (self.home,)


def _load_only_at_home(home):
    if os.getpid() != home:
        raise LookupError("only at home")
    return UnloadableTask(home)
