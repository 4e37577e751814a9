import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model2_assets.training.resources import _Turns, run_in_turns, tasks_at_once


class Watch:
    """Tasks of a few steps each; knows how many are begun and how many work."""

    def __init__(self, lengths):
        self.lengths, self.lock = lengths, threading.Lock()
        self.steps = [[] for _ in lengths]
        self.begun = self.working = self.most_begun = self.most_working = 0
        self.tasks = [lambda number=number: self.run(number) for number in range(len(lengths))]

    def run(self, number):
        with self.lock:
            self.begun += 1
            self.most_begun = max(self.most_begun, self.begun)
        for step in range(self.lengths[number]):
            with self.lock:
                self.working += 1
                self.most_working = max(self.most_working, self.working)
            self.steps[number].append(step)
            with self.lock:
                self.working -= 1
            yield
        with self.lock:
            self.begun -= 1
        return number * 10


@given(st.lists(st.integers(0, 6), max_size=9), st.integers(1, 4))
def test_every_task_is_done_once_in_the_order_of_its_steps(lengths, n_threads):
    watch = Watch(lengths)
    results = list(run_in_turns(watch.tasks, n_threads=n_threads))
    assert sorted(results) == [number * 10 for number in range(len(lengths))]
    assert watch.steps == [list(range(length)) for length in lengths]
    assert watch.most_working <= n_threads
    assert watch.most_begun <= tasks_at_once(len(lengths), n_threads)


def test_on_one_thread_tasks_run_one_after_another():
    watch = Watch([3, 2, 4])
    assert list(run_in_turns(watch.tasks, n_threads=1)) == [0, 10, 20]
    assert watch.most_begun == 1


def test_the_last_three_tasks_take_turns_on_two_threads():
    turns = _Turns([lambda: (None for _ in range(4))] * 5, n_threads=2)
    at_work = [turns.waiting.popleft(), turns.waiting.popleft()]
    order = []
    while at_work:
        for number in tuple(at_work):
            order.append(number)
            is_done, _ = turns.advance(number)
            at_work.remove(number)
            if is_done:
                turns.n_left -= 1
            else:
                turns.wait_again(number)
            if turns.waiting:
                at_work.append(turns.waiting.popleft())
    assert order[:10] == [0, 1] * 5
    assert order[10:] == [2, 3, 4] * 5


def test_an_error_reaches_the_caller():
    def fails():
        yield
        raise ValueError("nothing to fit")

    with pytest.raises(ValueError, match="nothing to fit"):
        list(run_in_turns([fails, fails, fails], n_threads=2))
