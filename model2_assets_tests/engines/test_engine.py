import threading
import time

import pytest

from model2_assets.config.sections import ExecutionConfig
from model2_assets.engines import LocalEngine, open_engine
from model2_assets.engines.dask import _installed, _require_same
from model2_assets.errors import ConfigError, EngineError


def slower_first(item: int) -> int:
    time.sleep(0.05 if item == 0 else 0)
    return item * item


def test_results_come_in_the_order_of_items_or_as_they_are_there() -> None:
    engine = LocalEngine(2)
    assert list(engine.map(slower_first, range(6))) == [0, 1, 4, 9, 16, 25]
    unordered = list(engine.map(slower_first, range(6), ordered=False))
    assert sorted(unordered) == [0, 1, 4, 9, 16, 25]
    assert unordered[0] != 0


def test_items_are_taken_as_there_is_room() -> None:
    taken = []

    def items() -> object:
        for item in range(100):
            taken.append(item)
            yield item

    results = LocalEngine(2).map(slower_first, items())
    assert next(results) == 0
    assert len(taken) <= 5
    results.close()


def test_fewer_at_once_than_are_at_work_lose_no_item() -> None:
    engine = LocalEngine(4)
    results = engine.map(slower_first, range(20))
    made = [next(results)]
    engine.n_at_once = 1
    assert made + list(results) == [item * item for item in range(20)]


def test_an_error_is_raised_and_no_other_task_begins() -> None:
    begun = []

    def fail(item: int) -> int:
        begun.append(item)
        raise EngineError("no")

    with pytest.raises(EngineError, match="no"):
        list(LocalEngine(1).map(fail, range(10)))
    assert len(begun) <= 2


def test_tasks_together_are_together() -> None:
    everybody = threading.Barrier(3, timeout=10)
    assert sorted(LocalEngine(1).together(lambda _: everybody.wait(), range(3))) == [0, 1, 2]


def test_the_configuration_names_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_engine(ExecutionConfig(), n_threads=3) as engine:
        assert (type(engine), engine.n_workers, engine.n_at_once) == (LocalEngine, 3, 3)
    with pytest.raises(ValueError, match="needs either scheduler"):
        ExecutionConfig(engine="dask")
    with pytest.raises(ValueError, match="scheduler"):
        ExecutionConfig(engine="dask", scheduler="tls://me:secret@host:1")


@pytest.mark.parametrize(
    ("settings", "error", "names"),
    [
        ({"scheduler_variable": "NO_SUCH"}, ConfigError, "NO_SUCH has to hold the address"),
        ({"scheduler": "tls://127.0.0.1:9"}, ConfigError, "tls_ca_variable: DASK_.* PEM file"),
        ({"scheduler": "tcp://127.0.0.1:9"}, EngineError, "tcp://127.0.0.1:9: no Dask scheduler"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_a_sentence(
    settings: dict[str, str], error: type[Exception], names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model2_assets.engines.dask._CONNECT_S", 1)
    execution = ExecutionConfig(engine="dask", **settings)
    with pytest.raises(error, match=names), open_engine(execution, n_threads=1):
        pass


def test_workers_with_other_versions_are_refused_by_name(caplog: pytest.LogCaptureFixture) -> None:
    installed = _installed(None)
    for name in set(installed) - {"linear algebra"}:
        other = {"a:1": installed, "b:1": {**installed, name: "0.0"}}
        with pytest.raises(EngineError, match=f"worker b:1 has {name} 0.0, this process .* both"):
            _require_same(other)
    _require_same({"a:1": {**installed, "linear algebra": "Other"}})
    assert "worker a:1 has the kernels Other" in caplog.text
