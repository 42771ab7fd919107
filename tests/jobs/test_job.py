"""What a job tells while it runs: steps at most ten times a second, the last always, and the time left."""

from itertools import pairwise

import pytest

from convviz_widgets.core.step import Step
from convviz_widgets.jobs.job import Job, Order, Shared
from convviz_widgets.jobs.progress import Pace, Progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def ticking(clock, steps, seconds):
    def work():
        for index in range(1, steps + 1):
            clock.now += seconds
            yield Step(index, steps)
        clock.now += seconds
        return "end"

    return work


def run(steps, seconds):
    clock, seen = Clock(), []
    watch = Order(ticking(clock, steps, seconds), on_step=lambda step: seen.append((step.index, clock.now)))
    job = Job(watch, Shared(clock=clock))
    job.start()
    while not job.ended:
        job.advance()
    assert job.result() == "end"
    return seen


def test_a_slow_job_tells_every_step():
    assert [index for index, _ in run(5, 0.2)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("steps", [1, 2, 99, 100, 1000])
def test_a_quick_job_tells_ten_steps_a_second_and_the_last(steps):
    seen = run(steps, 0.003)
    times = [moment for _, moment in seen]
    assert seen[0][0] == 1
    assert seen[-1][0] == steps
    assert len({index for index, _ in seen}) == len(seen)
    assert all(later - earlier > 0.0999 for earlier, later in pairwise(times[:-1]))
    assert len(seen) <= 2 + steps * 0.003 * 10


def test_a_job_without_steps_ends_with_its_outcome():
    assert run(0, 0.1) == []


def test_a_plain_iterator_runs_too():
    job = Job(Order(lambda: iter([Step(1), Step(2)])), Shared())
    while not job.ended:
        job.advance()
    assert job.result() is None
    assert job.progress == Progress(2)


def test_the_time_left_counts_working_time_per_step():
    pace = Pace()
    assert pace.after(Step(1, 11), 30.0) == Progress(1, 11, None)  # the first step also warms up
    assert pace.after(Step(2, 11), 2.0).seconds_left == pytest.approx(18.0)
    assert pace.after(Step(4, 11), 10.0).seconds_left == pytest.approx(7 * 12 / 3)
    assert pace.after(Step(11, 11), 1.0).seconds_left == 0


def test_a_resumed_job_does_not_count_what_was_done_before():
    pace = Pace()
    pace.after(Step(501, 1001), 9.0)
    assert pace.after(Step(502, 1001), 1.0).seconds_left == pytest.approx(499.0)


def test_without_a_total_nothing_is_promised():
    progress = Pace().after(Step(5), 1.0)
    assert (progress.fraction, progress.seconds_left) == (None, None)
    assert Progress(1, 4).fraction == 0.25
    assert Progress(9, 4).fraction == 1.0


def test_time_out_of_a_result_says_how_far_it_is():
    with pytest.raises(TimeoutError, match="queued"):
        Job(Order(lambda: iter([])), Shared()).result(0.01)
