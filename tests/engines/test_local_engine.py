"""The local engine with real processes, real signals and real hangs."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, wait
from functools import partial
from pathlib import Path

import local_tasks
import psutil
import pytest

from hpo.engines.engine import TaskMemoryError, TaskTimeoutError, WorkerLostError
from hpo.engines.local import LocalEngine
from hpo.engines.local_worker import TaskOutcomeError
from hpo.errors import EngineError, SpecError

SOON = 20  # seconds; far above what is expected, so that a busy machine does not fail


@pytest.fixture
def engine():
    with LocalEngine(local_tasks.make_runner, n_workers=1) as engine:
        yield engine


def result(engine, *task, timeout=None):
    return engine.submit(task, timeout=timeout).result(SOON)


def error(engine, *task, timeout=None):
    return engine.submit(task, timeout=timeout).exception(SOON)


def eventually(condition, seconds=5.0):
    """Wait until ``condition`` holds; the last look decides."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def children():
    """Return the processes of this one, except those that joblib keeps."""
    return [
        process
        for process in multiprocessing.active_children()
        if not process.name.startswith("Loky")
    ]


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def teach_that_tasks_are_short(engine):
    result(engine, "pid")
    assert engine.capacity >= 2 * engine.n_workers


def test_results_come_back_and_the_worker_stays(engine):
    assert [result(engine, "add", 1, n) for n in range(5)] == [1, 2, 3, 4, 5]
    assert len({result(engine, "pid") for _ in range(5)}) == 1


def test_a_runner_is_made_once_per_worker_from_the_arguments(tmp_path):
    data = b"x" * 3_000_000  # far more than a pipe holds
    with LocalEngine(
        local_tasks.make_counting_runner, (str(tmp_path), data), n_workers=2
    ) as engine:
        futures = [engine.submit(n) for n in range(20)]
        assert [f.result(SOON) for f in futures] == [3_000_000 + n for n in range(20)]
        assert eventually(lambda: len(list(tmp_path.iterdir())) == 2)


def test_tasks_of_one_worker_run_in_the_order_they_were_submitted(engine, tmp_path):
    path = tmp_path / "started"
    futures = [engine.submit(("add", 0, n)) for n in range(50)]
    order = []
    for future in futures:
        future.add_done_callback(lambda done: order.append(done.result()))
    wait(futures, SOON)
    assert order == list(range(50))
    assert not path.exists()


def test_several_workers_run_at_once():
    with LocalEngine(local_tasks.make_runner, n_workers=2) as engine:
        futures = [engine.submit(("sleep", 1.2)) for _ in range(2)]
        assert len({future.result(SOON) for future in futures}) == 2


def test_long_tasks_are_not_stuck_behind_another_while_a_worker_is_idle():
    with LocalEngine(local_tasks.make_runner, n_workers=2) as engine:
        assert engine.capacity == 2
        result(engine, "sleep", 1.1)
        assert engine.capacity == 2
        result(engine, "pid")
        result(engine, "pid")
        assert engine.capacity == 4


def test_the_shorter_the_tasks_the_more_are_worth_submitting():
    with LocalEngine(local_tasks.make_runner, n_workers=1) as engine:
        result(engine, "sleep", 0.01)
        few = engine.capacity
        for _ in range(20):
            result(engine, "pid")
        assert 2 <= few < engine.capacity == 16


def test_a_waiting_task_can_be_cancelled_and_a_running_one_cannot(engine, tmp_path):
    running = engine.submit(("touch_and_sleep", str(tmp_path / "on"), 1.0))
    waiting = engine.submit(("pid",))
    assert eventually((tmp_path / "on").exists, SOON)
    assert not running.cancel()
    assert waiting.cancel()
    running.result(SOON)
    assert isinstance(result(engine, "pid"), int)
    with pytest.raises(CancelledError):
        waiting.result(SOON)


def test_a_task_sent_ahead_can_still_be_cancelled(engine):
    teach_that_tasks_are_short(engine)
    running, ahead = engine.submit(("sleep", 0.5)), engine.submit(("pid",))
    assert ahead.cancel()
    assert running.result(SOON) == result(engine, "pid")


def test_limits_and_environment_are_set_before_anything_is_imported():
    with LocalEngine(
        local_tasks.make_runner,
        (local_tasks.EnvironmentProbe(),),
        n_workers=1,
        threads=3,
        environment={"HPO_TEST": "yes", "MKL_NUM_THREADS": "7"},
    ) as engine:
        seen, had_numpy = result(engine, "environment")
    assert not had_numpy
    assert seen["HPO_TEST"] == "yes"
    assert seen["MKL_NUM_THREADS"] == "7"
    for name in ("OMP", "OPENBLAS", "NUMEXPR"):
        assert seen[f"{name}_NUM_THREADS"] == "3"
    for name in ("TF_NUM_INTRAOP_THREADS", "PJRT_NPROC", "HPO_THREADS"):
        assert seen[name] == "3"
    assert "HPO_TEST" not in os.environ


def test_numeric_libraries_use_one_thread_unless_told_otherwise(engine):
    assert set(result(engine, "blas_threads")) == {1}


def test_a_runner_that_cannot_be_made_fails_the_task_with_its_own_error():
    with LocalEngine(
        local_tasks.make_failing_runner, ("no such column",), n_workers=2
    ) as engine:
        with pytest.raises(EngineError, match="ValueError: no such column"):
            engine.submit(("pid",)).result(SOON)
        with pytest.raises(EngineError, match="no such column"):
            engine.submit(("pid",))


def test_a_mistake_found_while_making_a_runner_arrives_as_it_is():
    with LocalEngine(
        local_tasks.make_refusing_runner, ("model", "no such module"), n_workers=2
    ) as engine:
        with pytest.raises(SpecError, match=r"^model: no such module$"):
            engine.submit(("pid",)).result(SOON)
        with pytest.raises(SpecError, match=r"^model: no such module$"):
            engine.submit(("pid",))


@pytest.mark.parametrize("code", [0, 3])
def test_workers_that_always_die_when_starting_break_the_engine(code):
    with (
        LocalEngine(local_tasks.make_dying_runner, (code,), n_workers=1) as engine,
        pytest.raises(EngineError, match=f"exited with code {code}"),
    ):
        engine.submit(("pid",)).result(SOON)


@pytest.mark.parametrize("code", [0, 3])
def test_a_worker_that_dies_once_when_starting_costs_nothing(code, tmp_path):
    flag = str(tmp_path / "tried")
    with LocalEngine(local_tasks.make_runner_once, (flag, code), n_workers=1) as engine:
        assert result(engine, "add", 1, 1) == 2


def test_what_is_to_be_called_at_the_end_outlasts_being_told_what_to_run():
    ended = []
    with LocalEngine(n_workers=1, on_close=lambda: ended.append(1)) as engine:
        engine.equip(local_tasks.make_runner)
        assert result(engine, "add", 1, 2) == 3
        assert not ended
    engine.close()
    assert ended == [1]


def test_workers_start_before_they_are_told_what_runs_the_tasks(tmp_path):
    ended = []
    ahead = partial(local_tasks.note_pid, str(tmp_path))
    with LocalEngine(preload=ahead, n_workers=2) as engine:
        future = engine.submit(("add", 1, 2))
        assert eventually(lambda: len([*tmp_path.iterdir()]) == 2, SOON)
        time.sleep(0.2)
        assert not future.done()
        engine.equip(local_tasks.make_runner, on_close=lambda: ended.append(1))
        assert future.result(SOON) == 3
        assert str(result(engine, "pid")) in {path.name for path in tmp_path.iterdir()}
        # One that takes the place of another is told too.
        assert isinstance(error(engine, "kill_self", signal.SIGKILL), WorkerLostError)
        pids = set()

        def are_both_at_work():
            futures = [engine.submit(("sleep", 0.2)) for _ in range(2)]
            pids.update(str(future.result(SOON)) for future in futures)
            return len(pids) == 2

        assert eventually(are_both_at_work, SOON)
        assert pids <= {path.name for path in tmp_path.iterdir()}
        assert not ended
    assert ended == [1]
    with pytest.raises(EngineError, match="closed"):
        engine.equip(local_tasks.make_runner)
    assert len([*tmp_path.iterdir()]) == 3


def test_workers_that_are_told_nothing_leave_nothing(tmp_path):
    ahead = partial(local_tasks.note_pid, str(tmp_path))
    for wait_for in (0, 2):
        with LocalEngine(preload=ahead, n_workers=2):
            assert eventually(lambda n=wait_for: len([*tmp_path.iterdir()]) >= n, SOON)
    assert children() == []


def test_workers_that_end_before_they_are_told_break_the_engine():
    ahead = partial(local_tasks.end_at_once, 3)
    with LocalEngine(preload=ahead, n_workers=2) as engine:
        assert eventually(lambda: engine._broken is not None, SOON)
        engine.equip(local_tasks.make_runner)
        with pytest.raises(EngineError, match="cannot start"):
            engine.submit(("pid",))


def test_workers_learn_the_script_when_a_runner_of_it_comes_later(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(
        "from hpo.engines.local import LocalEngine\n"
        "def make():\n    return lambda task: task * 2\n"
        "if __name__ == '__main__':\n"
        "    with LocalEngine(n_workers=1) as engine:\n"
        "        futures = [engine.submit(21)]\n"
        "        engine.equip(make)\n"
        "        print(futures[0].result(20))\n"
    )
    with start_script(script) as coordinator:
        said, errors = coordinator.communicate(timeout=SOON)
    assert (said, errors) == ("42\n", "")


def test_a_runner_that_cannot_be_pickled_is_refused_at_once():
    with pytest.raises(EngineError, match="must be picklable"):
        LocalEngine(lambda: None, n_workers=1)


def test_no_workers_are_refused():
    with pytest.raises(EngineError, match="at least 1 worker"):
        LocalEngine(local_tasks.make_runner, n_workers=0)


def test_garbage_is_looked_for_in_what_tasks_make_and_not_in_libraries(engine):
    assert result(engine, "garbage") == (True, True)


@pytest.mark.parametrize("task", [("spin",), ("sleep", 1000), ("hang_in_c",)])
def test_a_task_that_hangs_is_killed_at_its_limit(engine, task):
    before = result(engine, "pid")
    started = time.monotonic()
    failure = error(engine, *task, timeout=0.5)
    assert isinstance(failure, TaskTimeoutError)
    assert "0.5 seconds" in str(failure)
    assert 0.5 <= time.monotonic() - started < 5.5
    assert result(engine, "pid") != before
    assert eventually(lambda: is_gone(before))


def test_the_limit_counts_from_the_start_of_a_task(engine):
    teach_that_tasks_are_short(engine)
    futures = [engine.submit(("sleep", 0.6), timeout=1.5) for _ in range(4)]
    assert [future.exception(SOON) for future in futures] == [None] * 4


def test_a_coordinator_that_was_stopped_does_not_blame_the_task(tmp_path):
    script = tmp_path / "stopped.py"
    script.write_text(
        "import local_tasks, os\n"
        "from hpo.engines.local import LocalEngine\n"
        "if __name__ == '__main__':\n"
        "    with LocalEngine(local_tasks.make_runner, n_workers=1) as engine:\n"
        "        engine.submit(('pid',)).result()\n"
        "        future = engine.submit(('sleep', 1.0), timeout=2.0)\n"
        "        print('submitted', flush=True)\n"
        "        print(future.exception(), flush=True)\n"
    )
    with start_script(script) as coordinator:
        assert coordinator.stdout.readline() == "submitted\n"
        coordinator.send_signal(signal.SIGSTOP)
        time.sleep(3)
        coordinator.send_signal(signal.SIGCONT)
        assert coordinator.stdout.readline() == "None\n"


def test_a_kill_by_timeout_takes_all_descendants_along(engine, tmp_path):
    path = tmp_path / "pids"
    failure = error(engine, "with_grandchildren", str(path), timeout=3)
    assert isinstance(failure, TaskTimeoutError)
    pids = [int(pid) for pid in path.read_text().split()]
    assert len(pids) == 4
    assert eventually(lambda: all(map(is_gone, pids)))


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (("kill_self", signal.SIGKILL), "killed by SIGKILL"),
        (("segfault",), "killed by SIGSEGV"),
        (("kill_self", signal.SIGABRT), "killed by SIGABRT"),
        (("exit_hard", 0), "exited with code 0"),
        (("exit_hard", 7), "exited with code 7"),
        (("exit_hard_from_thread", 0), "exited with code 0"),
    ],
)
def test_a_worker_that_dies_costs_its_task_only(engine, task, text):
    teach_that_tasks_are_short(engine)
    futures = [engine.submit(task), *(engine.submit(("add", 1, n)) for n in range(4))]
    failure = futures[0].exception(SOON)
    assert isinstance(failure, WorkerLostError)
    assert text in str(failure)
    assert [future.result(SOON) for future in futures[1:]] == [1, 2, 3, 4]


def test_the_other_workers_go_on_when_one_is_killed():
    with LocalEngine(local_tasks.make_runner, n_workers=2) as engine:
        pids = {f.result(SOON) for f in [engine.submit(("sleep", 1)) for _ in "ab"]}
        futures = [engine.submit(("sleep", 0.3)) for _ in range(6)]
        os.kill(pids.pop(), signal.SIGKILL)
        lost = [f for f in futures if f.exception(SOON) is not None]
        assert len(lost) <= 1
        assert all(isinstance(f.exception(), WorkerLostError) for f in lost)


def test_an_idle_worker_that_is_killed_costs_nothing(engine):
    for pause in (0.0, 0.0, 0.05, 0.5):
        pid = result(engine, "pid")
        os.kill(pid, signal.SIGKILL)
        time.sleep(pause)
        assert result(engine, "pid") != pid


def test_an_idle_worker_that_ends_with_code_0_is_replaced(engine):
    future = engine.submit(("exit_hard", 0))
    assert isinstance(future.exception(SOON), WorkerLostError)
    assert result(engine, "add", 1, 1) == 2


def test_a_worker_killed_while_it_sends_a_large_result_spoils_nothing(engine):
    for delay in (0.0, 0.02, 0.05):
        pid = result(engine, "pid")
        future = engine.submit(("megabytes", 200))
        time.sleep(0.1 + delay)
        os.kill(pid, signal.SIGKILL)
        assert isinstance(future.exception(SOON), WorkerLostError | None)
        assert result(engine, "add", 1, 1) == 2


def test_an_exception_comes_back_with_the_workers_traceback(engine):
    failure = error(engine, "fail", "bad shape")
    assert isinstance(failure, ValueError)
    assert str(failure) == "bad shape"
    assert "in fail" in str(failure.__cause__)


def test_an_exception_whose_init_takes_other_arguments_keeps_its_attributes(engine):
    failure = error(engine, "fail_with_two_arguments")
    assert isinstance(failure, local_tasks.TwoArgumentsError)
    assert (failure.kind, str(failure)) == ("nan", "fold 3 is not finite")


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (("fail_with_local_class",), "LocalError"),
        (("fail_with_poison",), "PoisonError"),
        (("exit_softly", 0), "SystemExit"),
        (("exit_softly", "bye"), "SystemExit: bye"),
        (("interrupt",), "KeyboardInterrupt"),
        (("unloadable_result",), "only in the worker"),
        (("fail_with_huge_message",), "ValueError"),
    ],
)
def test_what_cannot_be_sent_back_is_named(engine, task, text):
    pid = result(engine, "pid")
    failure = error(engine, *task)
    assert isinstance(failure, TaskOutcomeError)
    assert text in str(failure)
    assert len(str(failure)) < 5000
    assert result(engine, "pid") == pid


def test_a_result_that_cannot_be_pickled_fails_its_task(engine):
    failure = error(engine, "unpicklable_result")
    assert "pickle" in str(failure)
    assert result(engine, "add", 1, 1) == 2


def test_a_huge_traceback_is_shortened(engine):
    failure = error(engine, "fail_deeply")
    assert isinstance(failure, RecursionError)
    assert len(str(failure.__cause__)) < 100_000


def test_a_task_that_cannot_be_pickled_fails_alone(engine):
    with pytest.raises(RuntimeError, match="stays here"):
        result(engine, "become", local_tasks.UnpicklableTask())
    with pytest.raises(LookupError, match="only at home"):
        result(engine, "become", local_tasks.UnloadableTask(os.getpid()))
    assert result(engine, "add", 1, 1) == 2


def test_tasks_and_results_of_fifty_megabytes_pass(engine):
    assert len(result(engine, "megabytes", 50)) == 50 << 20
    assert result(engine, "length", b"x" * (50 << 20)) == 50 << 20


def test_a_worker_is_replaced_after_so_many_tasks_and_no_task_is_lost():
    with LocalEngine(local_tasks.make_runner, n_workers=2, max_tasks=3) as engine:
        futures = [engine.submit(("pid",)) for _ in range(12)]
        pids = [future.result(SOON) for future in futures]
    assert max(pids.count(pid) for pid in pids) == 3
    assert len(set(pids)) >= 4


def test_a_worker_that_keeps_too_much_memory_is_replaced_after_the_task():
    with LocalEngine(
        local_tasks.make_runner, n_workers=1, max_memory_bytes=200 << 20
    ) as engine:
        first = result(engine, "keep_memory", 10)
        assert result(engine, "keep_memory", 250) == first
        assert result(engine, "pid") != first


def test_a_task_that_uses_twice_the_memory_is_killed():
    with LocalEngine(
        local_tasks.make_runner, n_workers=1, max_memory_bytes=100 << 20
    ) as engine:
        failure = error(engine, "hold_memory", 400, 60)
        assert isinstance(failure, TaskMemoryError)
        assert "more than 200 MiB" in str(failure)
        assert result(engine, "add", 1, 1) == 2


def test_workers_write_to_the_log_and_not_to_the_terminal(tmp_path, capfd):
    log = tmp_path / "workers.log"
    with LocalEngine(local_tasks.make_runner, n_workers=1, log_path=log) as engine:
        result(engine, "shout")
        error(engine, "segfault")
    text = log.read_text()
    assert "printed\n" in text
    assert "from C\n" in text
    assert "complained\n" in text
    assert "Segmentation fault" in text
    assert capfd.readouterr() == ("", "")


def test_a_log_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(EngineError, match="workers' log"):
        LocalEngine(local_tasks.make_runner, n_workers=1, log_path=tmp_path)


def test_an_interrupt_does_not_reach_the_workers(engine):
    pid = result(engine, "pid")
    os.kill(pid, signal.SIGINT)
    assert result(engine, "pid") == pid
    assert os.getsid(pid) == pid


def test_closing_lets_running_tasks_end_and_cancels_the_others(engine, tmp_path):
    teach_that_tasks_are_short(engine)
    running = engine.submit(("touch_and_sleep", str(tmp_path / "on"), 0.5))
    others = [engine.submit(("pid",)) for _ in range(3)]
    assert eventually((tmp_path / "on").exists, SOON)
    engine.close(wait_seconds=SOON)
    assert isinstance(running.result(0), int)
    assert all(future.cancelled() for future in others)
    with pytest.raises(EngineError, match="closed"):
        engine.submit(("pid",))


def test_closing_kills_what_does_not_end_and_leaves_nothing_behind(tmp_path):
    threads = set(threading.enumerate())
    engine = LocalEngine(local_tasks.make_runner, n_workers=2)
    path = tmp_path / "pids"
    future = engine.submit(("with_grandchildren", str(path)))
    left = result(engine, "leave_a_child")
    assert eventually(path.exists, SOON)
    started = time.monotonic()
    engine.close(wait_seconds=0.2)
    assert time.monotonic() - started < 5
    assert isinstance(future.exception(0), WorkerLostError)
    pids = [left, *(int(pid) for pid in path.read_text().split())]
    assert eventually(lambda: all(map(is_gone, pids)))
    assert set(threading.enumerate()) <= threads
    assert children() == []
    engine.close()


def test_closing_while_workers_start_is_quick_and_clean():
    for pause in (0.0, 0.01, 0.1):
        engine = LocalEngine(local_tasks.make_runner, n_workers=2)
        future = engine.submit(("pid",))
        time.sleep(pause)
        engine.close()
        assert future.done()
    gc.collect()
    assert children() == []


def test_a_callback_may_submit_and_close(engine):
    second = []
    first = engine.submit(("pid",))
    first.add_done_callback(lambda done: second.append(engine.submit(("add", 1, 1))))
    assert eventually(lambda: bool(second), SOON)
    closed = threading.Event()
    third = second[0]
    assert third.result(SOON) == 2
    last = engine.submit(("sleep", 0.2))
    last.add_done_callback(lambda done: (engine.close(), closed.set()))
    assert closed.wait(SOON)


def test_many_kills_lose_only_what_ran():
    with LocalEngine(local_tasks.make_runner, n_workers=2) as engine:
        futures = [engine.submit(("sleep", 0.01)) for _ in range(200)]
        n_kills = 0
        while not all(future.done() for future in futures):
            workers = children()
            if workers and n_kills < 8:
                workers[0].kill()
                n_kills += 1
            time.sleep(0.15)
        failures = [f.exception() for f in futures if f.exception() is not None]
    assert len(failures) <= n_kills
    assert all(isinstance(failure, WorkerLostError) for failure in failures)


def start_script(path, *arguments):
    here = Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, "-W", "error", path, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{here}:{here.parents[1]}"},
        start_new_session=True,
    )


SCRIPT = """
import sys, time, local_tasks
from hpo.engines.local import LocalEngine

if __name__ == "__main__":
    engine = LocalEngine(local_tasks.make_runner, n_workers=2)
    pid = engine.submit(("pid",)).result()
    engine.submit((sys.argv[1], *sys.argv[3:]))
    print(pid, flush=True)
    if sys.argv[2] == "wait":
        time.sleep(1000)
"""


@pytest.mark.parametrize("task", ["with_grandchildren", "hang_in_c"])
def test_nothing_survives_a_coordinator_that_was_killed(tmp_path, task):
    script, path = tmp_path / "main.py", tmp_path / "pids"
    script.write_text(SCRIPT)
    arguments = [str(path)] if task == "with_grandchildren" else []
    with start_script(script, task, "wait", *arguments) as coordinator:
        coordinator.stdout.readline()
        assert not arguments or eventually(path.exists, SOON)
        children = psutil.Process(coordinator.pid).children(recursive=True)
        time.sleep(0.2)
        coordinator.kill()
    noted = [int(pid) for pid in path.read_text().split()] if arguments else []
    own_session = noted[2:3]
    pids = ({child.pid for child in children} | set(noted)) - set(own_session)
    assert len(pids) >= 2
    gone = eventually(lambda: all(map(is_gone, pids)))
    for pid in own_session:
        os.kill(pid, signal.SIGKILL)  # it left the session; nothing can follow it
    assert gone


@pytest.mark.parametrize("how", ["exit", "interrupt"])
def test_a_script_that_never_closes_its_engine_ends_cleanly(tmp_path, how):
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    mode = "wait" if how == "interrupt" else "exit"
    with start_script(script, "spin", mode) as coordinator:
        pid = int(coordinator.stdout.readline())
        if how == "interrupt":
            os.killpg(coordinator.pid, signal.SIGINT)
        _, errors = coordinator.communicate(timeout=SOON)
    assert is_gone(pid)
    assert "leaked" not in errors
    assert ("KeyboardInterrupt" in errors) == (how == "interrupt")
    assert how == "interrupt" or (coordinator.returncode, errors) == (0, "")
