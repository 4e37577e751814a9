import io
import json
import logging
import re
from datetime import datetime, timedelta

import pytest

from model2_assets.logging import PACKAGE_LOGGER, setup_logging, stderr_handler


class Console:
    """What was written to standard error so far."""

    def __init__(self, capsys):
        self.capsys = capsys
        self.text = ""

    def getvalue(self) -> str:
        self.text += self.capsys.readouterr().err
        return self.text


@pytest.fixture
def stderr(capsys):
    logger = logging.getLogger(PACKAGE_LOGGER)
    kept = logger.handlers, logger.level, logger.propagate
    yield Console(capsys)
    logger.handlers, logger.level, logger.propagate = kept


def test_text_line_has_time_and_message(stderr):
    setup_logging().info("fold %d fitted", 3)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  fold 3 fitted\n", stderr.getvalue())


@pytest.mark.parametrize(("level", "shown"), [("warning", "WARNING"), ("error", "ERROR")])
def test_text_line_names_other_levels(stderr, level, shown):
    getattr(setup_logging(), level)("careful")
    assert stderr.getvalue().endswith(f"  {shown}: careful\n")


def test_json_line_is_one_object(stderr):
    logger = setup_logging(format="json")
    logging.getLogger(f"{PACKAGE_LOGGER}.training.fit").warning("two\nlines, %s", "é")
    assert logger.name == PACKAGE_LOGGER
    (line,) = stderr.getvalue().splitlines()
    document = json.loads(line)
    time = datetime.fromisoformat(document.pop("time"))
    assert time.utcoffset() == timedelta(0)
    assert document == {
        "level": "WARNING",
        "logger": "model2_assets.training.fit",
        "message": "two\nlines, é",
    }


@pytest.mark.parametrize("style", ["text", "json"])
def test_traceback_follows_the_message(stderr, style):
    logger = setup_logging(format=style)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logger.exception("fold 3 failed")
    text = stderr.getvalue()
    assert "fold 3 failed" in text
    if style == "json":
        (line,) = text.splitlines()
        text = json.loads(line)["exception"]
    assert "Traceback" in text
    assert "ZeroDivisionError: division by zero" in text


@pytest.mark.parametrize("style", ["text", "json"])
def test_setting_up_twice_writes_each_line_once(stderr, style):
    setup_logging()
    setup_logging(format=style)
    setup_logging(format=style).info("once")
    assert stderr.getvalue().count("once") == 1
    assert len(stderr.getvalue().splitlines()) == 1
    assert len(logging.getLogger(PACKAGE_LOGGER).handlers) == 1


def test_second_setup_replaces_format_and_level(stderr):
    setup_logging("ERROR", "json")
    setup_logging("INFO", "text").info("plain")
    assert re.fullmatch(r"\d\d:\d\d:\d\d  plain\n", stderr.getvalue())


def test_threshold_applies_to_the_whole_package(stderr):
    setup_logging("WARNING")
    logging.getLogger(f"{PACKAGE_LOGGER}.features").info("hidden")
    logging.getLogger(f"{PACKAGE_LOGGER}.features").warning("shown")
    assert "hidden" not in stderr.getvalue()
    assert "shown" in stderr.getvalue()


def test_lines_do_not_reach_the_root_logger_too(stderr):
    other = io.StringIO()
    handler = logging.StreamHandler(other)
    logging.getLogger().addHandler(handler)
    try:
        setup_logging().info("only here")
    finally:
        logging.getLogger().removeHandler(handler)
    assert other.getvalue() == ""
    assert "only here" in stderr.getvalue()


def test_other_packages_are_left_alone(stderr):
    setup_logging("DEBUG")
    logging.getLogger("another_package").debug("not ours")
    assert "not ours" not in stderr.getvalue()


def test_unknown_level_is_refused(stderr):
    with pytest.raises(ValueError, match="LOUD"):
        setup_logging("LOUD")


def test_handler_can_be_had_alone(stderr):
    record = logging.LogRecord("x", logging.INFO, "f", 1, "alone", None, None)
    stderr_handler("json").handle(record)
    assert json.loads(stderr.getvalue())["message"] == "alone"
