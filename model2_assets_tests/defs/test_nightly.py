"""The order of the nightly retrain, by Dagster's own evaluation of the conditions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from model2_assets.config import ScheduleConfig, parse_config
from model2_assets.defs.automation import nightly_condition
from model2_assets.defs.build import build_definitions
from model2_assets.defs.partitions import model_partitions
from model2_assets.errors import ConfigError
from model2_assets.storage import Store

NIGHTLY = nightly_condition(ScheduleConfig(cron="0 2 * * *", timezone="UTC"))
EVENING = datetime(2024, 1, 8, 22, 0, tzinfo=UTC)
NIGHT = EVENING + timedelta(hours=4, minutes=1)
PARTITIONS = model_partitions(["21d"], ["ridge", "xgboost"])


def small_graph() -> dg.Definitions:
    @dg.asset(automation_condition=NIGHTLY)
    def data() -> None: ...

    @dg.asset(deps=[data], partitions_def=PARTITIONS, automation_condition=NIGHTLY)
    def scores() -> None: ...

    @dg.asset(deps=[scores], automation_condition=NIGHTLY)
    def board() -> None: ...

    return dg.Definitions([data, scores, board])


class Daemon:
    """Evaluates the conditions as the daemon does, tick after tick."""

    def __init__(self) -> None:
        self.definitions = small_graph()
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursor: Any = None

    def tick(self, time: datetime) -> set[tuple[str, str | None]]:
        result = dg.evaluate_automation_conditions(
            self.definitions,
            self.instance,
            asset_selection=dg.AssetSelection.assets("data", "scores", "board"),
            cursor=self.cursor,
            evaluation_time=time,
        )
        self.cursor = result.cursor
        return {
            (name, partition)
            for name in ("data", "scores", "board")
            for partition in result.get_requested_partitions(dg.AssetKey(name))
        }

    def renew(self, asset: str, partition: str | None = None) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(asset, partition=partition)
        )


def test_every_asset_follows_once_all_partitions_of_its_inputs_are_new() -> None:
    daemon = Daemon()
    assert daemon.tick(EVENING) == set()

    assert daemon.tick(NIGHT) == {("data", None)}
    assert daemon.tick(NIGHT + timedelta(minutes=1)) == set()

    daemon.renew("data")
    assert daemon.tick(NIGHT + timedelta(minutes=2)) == {
        ("scores", "21d|ridge"),
        ("scores", "21d|xgboost"),
    }

    daemon.renew("scores", "21d|ridge")
    assert daemon.tick(NIGHT + timedelta(minutes=3)) == set()

    daemon.renew("scores", "21d|xgboost")
    assert daemon.tick(NIGHT + timedelta(minutes=4)) == {("board", None)}


def test_leaderboard_waits_where_a_partition_has_not_been_renewed_this_night() -> None:
    daemon = Daemon()
    daemon.tick(EVENING)
    for partition in ("21d|ridge", "21d|xgboost"):
        daemon.renew("scores", partition)
    daemon.renew("data")
    daemon.renew("board")
    daemon.tick(NIGHT)
    daemon.renew("data")
    daemon.tick(NIGHT + timedelta(minutes=1))
    daemon.renew("scores", "21d|ridge")

    for minute in range(2, 6):
        assert ("board", None) not in daemon.tick(NIGHT + timedelta(minutes=minute))


def test_impossible_cron_expression_is_named() -> None:
    schedule = ScheduleConfig.model_construct(cron="0 2 * * nay", timezone="UTC")

    with pytest.raises(ConfigError, match=r"schedule.cron: '0 2 \* \* nay'"):
        nightly_condition(schedule)


def test_assets_of_every_region_carry_the_condition_of_the_configuration() -> None:
    config = parse_config({"schedule": {"cron": "5 4 * * *", "timezone": "UTC"}})

    graph = build_definitions(config, Store("memory://nightly")).resolve_asset_graph()

    for key in graph.get_all_asset_keys():
        condition = graph.get(key).automation_condition
        assert condition is not None
        assert condition == nightly_condition(config.schedule)
