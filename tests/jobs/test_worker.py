"""What the worker promises: newest wins, urgent first, cancel within a step, and nothing left behind."""

import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest

from convviz_widgets.core.errors import BadValue, Cancelled
from convviz_widgets.core.step import Step
from convviz_widgets.jobs.worker import Worker, worker_of

SOON = 10.0  # seconds that no waiting here ever takes on a machine that works


@pytest.fixture
def worker():
    made = Worker()
    yield made
    assert made.close(SOON)


class Work:
    """Steps that a test lets through one at a time, or all at once."""

    def __init__(self, total=1_000_000, outcome="done", *, free=False):
        self.total, self.outcome, self.free = total, outcome, free
        self.begun = self.yielded = 0
        self.closed = False
        self.threads = set()
        self._allowed = threading.Semaphore(0)
        self._yielding = threading.Condition()

    def __call__(self):
        self.begun += 1
        try:
            for index in range(1, self.total + 1):
                if not self.free:
                    assert self._allowed.acquire(timeout=SOON)
                self.threads.add(threading.current_thread())
                with self._yielding:
                    self.yielded = index
                    self._yielding.notify_all()
                yield Step(index, self.total)
        finally:
            self.closed = True
        return self.outcome

    def let(self, steps):
        self._allowed.release(steps)
        return self

    def until(self, steps):
        with self._yielding:
            assert self._yielding.wait_for(lambda: self.yielded >= steps, SOON)


def test_six_quick_submits_run_only_the_last_to_its_end(worker):
    works = [Work(20) for _ in range(6)]
    done = []
    jobs = [worker.submit(work, key="slider", on_done=done.append) for work in works[:1]]
    works[0].let(1).until(1)
    jobs += [worker.submit(work, key="slider", on_done=done.append) for work in works[1:]]
    works[0].let(1)
    works[-1].outcome = "last"
    works[-1].let(20)
    assert jobs[-1].result(SOON) == "last"
    assert worker.wait(SOON)
    assert [job.state for job in jobs] == ["cancelled"] * 5 + ["done"]
    assert done == ["last"]
    assert [work.begun for work in works] == [1, 0, 0, 0, 0, 1]
    assert works[0].closed
    assert worker.jobs == ()


def test_jobs_with_other_keys_or_none_do_not_supersede_each_other(worker):
    gate = Work(1)
    worker.submit(gate)
    jobs = [worker.submit(Work(3, name, free=True), key=key) for name, key in [("a", 1), ("b", 2), ("c", None)] * 2]
    gate.let(1)
    assert worker.wait(SOON)
    assert [job.state for job in jobs] == ["cancelled", "cancelled", "done", "done", "done", "done"]
    assert [job.result(SOON) for job in jobs[2:]] == ["c", "a", "b", "c"]


def test_a_background_job_gives_way_within_one_step_and_goes_on_afterwards(worker):
    scan, click = Work(10), Work(3, free=True)
    seen = []
    background = worker.submit(scan, key="scan", priority=-1)
    scan.let(4).until(4)
    urgent = worker.submit(click, key="click", priority=1, on_done=lambda _: seen.append(scan.yielded))
    scan.let(1)  # the step under way; more would be needed to go on before the click
    assert urgent.wait(SOON)
    assert seen[0] <= 5
    assert background.state == "running"
    scan.let(10)
    assert background.result(SOON) == "done"
    assert scan.begun == 1
    assert scan.threads == click.threads


def test_equals_run_one_after_another_in_the_order_they_came(worker):
    order = []
    gate = Work(1)
    worker.submit(gate)
    for name in "abc":
        worker.submit(Work(5, name, free=True), on_done=order.append)
    gate.let(1)
    assert worker.wait(SOON)
    assert order == ["a", "b", "c"]


def test_cancel_takes_effect_within_one_step_and_closes_in_the_workers_thread(worker):
    closed_in = []

    def steps():
        try:
            yield from work()
        finally:
            closed_in.append(threading.current_thread())

    work = Work()
    job = worker.submit(steps)
    work.let(7).until(7)
    job.cancel()
    work.let(100)
    assert job.wait(SOON)
    assert job.state == "cancelled"
    assert work.yielded <= 8
    assert closed_in == list(work.threads)
    assert closed_in != [threading.current_thread()]
    with pytest.raises(Cancelled):
        job.result(SOON)


def test_a_job_that_never_began_is_cancelled_at_once(worker):
    gate, waiting = Work(1), Work(1)
    first = worker.submit(gate)
    second = worker.submit(waiting)
    second.cancel()
    assert second.wait(0)
    assert second.state == "cancelled"
    gate.let(1)
    assert first.result(SOON) == "done"
    assert waiting.begun == 0


def test_a_job_called_off_during_its_last_step_tells_nobody(worker):
    told = []
    inside, go = threading.Event(), threading.Event()

    def steps():
        yield Step(1, 1)
        inside.set()
        assert go.wait(SOON)
        return "too late"

    job = worker.submit(steps, on_done=told.append, on_error=told.append)
    assert inside.wait(SOON)
    job.cancel()
    go.set()
    assert job.wait(SOON)
    assert (job.state, told) == ("cancelled", [])


def test_an_error_is_told_and_the_next_job_runs(worker):
    def broken():
        yield Step(1, 2)
        raise ZeroDivisionError("no such number")

    told = []
    job = worker.submit(broken, on_error=told.append, on_done=told.append)
    after = worker.submit(Work(2, "fine", free=True))
    assert after.result(SOON) == "fine"
    assert job.state == "error"
    assert told == [job.error]
    assert isinstance(job.error, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError, match="no such number"):
        job.result(SOON)


def test_an_error_before_the_first_step_and_one_nobody_asked_for(worker, caplog):
    def refuse():
        raise BadValue("never")

    job = worker.submit(refuse)
    assert job.wait(SOON)
    assert job.state == "error"
    assert "nobody asked" in caplog.text


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_no_kind_of_exception_ends_the_worker(worker, kind):
    def broken():
        yield Step(1)
        raise kind

    told = []
    assert worker.submit(broken, on_error=told.append).wait(SOON)
    assert [type(error) for error in told] == [kind]
    assert worker.submit(Work(1, free=True)).result(SOON) == "done"


def test_what_was_called_off_is_closed_before_anything_urgent_runs(worker):
    events = []

    def background():
        try:
            yield from work()
        finally:
            events.append("closed")

    def urgent():
        events.append("urgent")
        yield Step(1)

    work = Work()
    job = worker.submit(background, priority=-5)
    work.let(1).until(1)
    last = worker.submit(urgent, priority=5)
    job.cancel()
    work.let(1)
    assert last.wait(SOON)
    assert events == ["closed", "urgent"]


def test_an_ended_job_lets_go_of_what_it_was_given(worker):
    class Large:
        def watch(self, step):
            pass

    large = Large()
    gone = weakref.ref(large)

    def steps(held=large):
        yield Step(1, preview=held)

    jobs = [worker.submit(steps, on_step=large.watch), worker.submit(steps)]
    assert worker.wait(SOON)
    del large, steps
    until = time.monotonic() + SOON
    while gone() is not None and time.monotonic() < until:
        gc.collect()
        time.sleep(0.005)
    assert gone() is None
    assert [job.state for job in jobs] == ["done", "done"]


def test_steps_that_give_up_by_themselves_are_cancelled(worker):
    def steps():
        yield Step(1)
        raise Cancelled("enough")

    told = []
    job = worker.submit(steps, on_error=told.append, on_done=told.append)
    assert job.wait(SOON)
    assert (job.state, told) == ("cancelled", [])


def test_failing_callbacks_are_survived(worker, caplog):
    def fail(_):
        raise LookupError("in a callback")

    told = []
    job = worker.submit(Work(3, free=True), on_step=fail)
    assert job.result(SOON) == "done"
    assert "the job goes on" in caplog.text
    job = worker.submit(Work(3, free=True), on_done=fail, on_error=told.append)
    assert job.wait(SOON)
    assert [type(error) for error in told] == [LookupError]
    assert worker.submit(Work(1, free=True), on_done=fail, on_error=fail).wait(SOON)
    assert worker.submit(Work(1, free=True)).result(SOON) == "done"


def test_a_generator_that_fails_or_refuses_to_close_is_survived(worker, caplog):
    def stubborn():
        while True:
            try:
                yield Step(1)
            except GeneratorExit:
                yield Step(2)

    job = worker.submit(stubborn)
    while job.progress.index == 0:
        time.sleep(0.001)
    job.cancel()
    assert job.wait(SOON)
    assert job.state == "cancelled"
    assert "while it was being closed" in caplog.text
    assert worker.submit(Work(1, free=True)).result(SOON) == "done"


def test_pause_and_resume(worker):
    work, other = Work(10), Work(2, "other", free=True)
    job = worker.submit(work)
    work.let(3).until(3)
    job.pause()
    work.let(1).until(4)
    assert worker.submit(other).result(SOON) == "other"
    assert job.paused
    assert job.state == "running"
    work.let(20)
    time.sleep(0.05)
    assert work.yielded == 4
    job.resume()
    assert job.result(SOON) == "done"
    assert not job.paused


def test_a_paused_job_can_be_cancelled_and_is_closed(worker):
    work = Work(10)
    job = worker.submit(work)
    work.let(1).until(1)
    job.pause()
    work.let(1).until(2)
    job.cancel()
    assert job.wait(SOON)
    assert work.closed


def test_callbacks_run_without_the_lock_and_may_use_the_worker(worker):
    followed = []

    def then(_):
        others = threading.Thread(target=lambda: followed.append(worker.jobs))  # needs the lock
        others.start()
        others.join(SOON)
        assert not others.is_alive()
        followed.append(worker.submit(Work(2, "second", free=True)))
        with pytest.raises(BadValue, match="own worker"):
            followed[-1].wait()

    failed = []
    job = worker.submit(Work(2, free=True), on_done=then, on_error=failed.append)
    assert worker.wait(SOON)
    assert failed == []
    assert job in followed[0] or followed[0] == ()
    assert followed[1].result(SOON) == "second"


def test_current_names_the_job_of_a_callback(worker):
    seen = []
    job = worker.submit(Work(1, free=True), on_done=lambda _: seen.append(worker.current))
    assert worker.wait(SOON)
    assert seen == [job]
    assert worker.current is None


def test_a_closed_worker_leaves_no_thread_and_takes_nothing():
    worker = Worker()
    works = [Work(), Work()]
    jobs = [worker.submit(work) for work in works]
    works[0].let(1).until(1)
    (thread,) = (each for each in threading.enumerate() if each in works[0].threads)
    works[0].let(1)
    assert worker.close(SOON)
    assert not thread.is_alive()
    assert [job.state for job in jobs] == ["cancelled", "cancelled"]
    assert works[0].closed
    with pytest.raises(BadValue, match="closed"):
        worker.submit(Work())
    assert worker.close()


def test_the_thread_begins_with_a_job_and_ends_when_idle():
    before = threading.active_count()
    worker = Worker(idle_seconds=0.05)
    assert threading.active_count() == before
    for _ in range(2):
        work = Work(1, free=True)
        assert worker.submit(work).result(SOON) == "done"
        (thread,) = work.threads
        assert thread.daemon
        thread.join(SOON)
        assert not thread.is_alive()
    assert worker.close(0)


def test_an_idle_worker_keeps_no_result_alive(worker):
    class Large:
        pass

    seen = []

    def steps():
        yield Step(1, preview=Large())
        large = Large()
        seen.append(weakref.ref(large))
        return large

    worker.submit(steps, on_step=lambda step: seen.append(weakref.ref(step.preview))).wait(SOON)
    until = time.monotonic() + SOON
    while any(each() is not None for each in seen) and time.monotonic() < until:
        gc.collect()
        time.sleep(0.005)
    assert [each() for each in seen] == [None, None]


def test_many_threads_submitting_at_once(worker):
    done, failed = [], []

    def press(key):
        for number in range(30):
            work = Work(2, (key, number), free=True)
            job = worker.submit(work, key=key, priority=number % 3, on_done=done.append, on_error=failed.append)
            if number % 7 == 3:
                job.pause()
                job.resume()
            if number % 11 == 5:
                job.cancel()

    threads = [threading.Thread(target=press, args=(key,)) for key in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert worker.wait(SOON)
    assert failed == []
    assert {key: max(number for each, number in done if each == key) for key in range(8)} == dict.fromkeys(range(8), 29)
    assert len(set(done)) == len(done)


class Owner:
    pass


def test_one_worker_per_owner_and_none_that_outlives_it():
    one, other = Owner(), Owner()
    worker = worker_of(one)
    assert worker_of(one) is worker
    assert worker_of(other) is not worker
    gone = weakref.ref(one)
    assert worker.submit(Work(1, free=True)).result(SOON) == "done"
    del one
    gc.collect()
    assert gone() is None
    assert worker.close(SOON)


def test_a_closed_worker_is_replaced_for_its_owner():
    owner = Owner()
    assert worker_of(owner).close()
    assert not worker_of(owner).closed


FORK = """
import os, sys, threading, time
from convviz_widgets.core.step import Step
from convviz_widgets.jobs.worker import Worker
worker = Worker()
def slow():
    for index in range(10**6):
        time.sleep(0.001)
        yield Step(index + 1)
def quick():
    yield Step(1, 1)
    return "in the child"
job = worker.submit(slow)
while job.progress.index < 3:
    time.sleep(0.001)
child = os.fork()
if child == 0:
    fine = job.state == "cancelled" and job.wait(5) and worker.submit(quick).result(5) == "in the child"
    sys.exit(0 if fine else 3)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status or (0 if job.state == "running" else 4))
"""

EXIT = """
import time
from convviz_widgets.core.step import Step
from convviz_widgets.jobs.worker import Worker
def endless():
    while True:
        time.sleep(0.01)
        yield Step(1)
def stuck():
    time.sleep(60)
    yield Step(1)
Worker().submit(endless)
Worker().submit(stuck)
time.sleep(0.05)
"""


@pytest.mark.parametrize("script", [FORK, EXIT], ids=["fork", "exit"])
def test_a_process_ends_whatever_runs(script):
    began = time.monotonic()
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(command, timeout=30, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - began < 15


def test_an_interrupt_in_the_main_thread_leaves_the_worker_alone():
    script = """
import _thread, signal, threading, time
from convviz_widgets.core.step import Step
from convviz_widgets.jobs.worker import Worker
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with interrupts ignored
def steps():
    for index in range(1, 11):
        time.sleep(0.02)
        yield Step(index, 10)
    return "whole"
worker = Worker()
job = worker.submit(steps)
try:
    threading.Timer(0.05, _thread.interrupt_main).start()
    while True:
        time.sleep(0.01)
except KeyboardInterrupt:
    print(job.result(10))
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=30, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "whole", done.stderr
