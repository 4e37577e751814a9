"""Reference pages, written of the code itself when the site is built: no fact is written twice."""

import inspect
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx

from model2_assets.checks.catalogue import REPRODUCED, STORED, Check, checks_of
from model2_assets.config import Model2Config, load_config
from model2_assets.contracts import FOLDER, Column, load_contract, load_schema
from model2_assets.evaluation import METRICS
from model2_assets.panel import INDEX_NAMES
from model2_assets.storage import PRODUCTS
from model2_assets.training import BaseModelTrainer, RidgeTrainer, XGBoostTrainer


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for any."""
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    pages = {
        "configuration": configuration_page(),
        "checks": checks_page(),
        "contracts": contracts_page(),
        "metrics": metrics_page(),
        "parameters": parameters_page(),
        "extras": extras_page(),
    }
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return {"parallel_read_safe": True}


def configuration_page() -> str:
    """Return every configuration key, section by section."""
    head = (
        "# Configuration\n\nEvery key, with its default. A file of your own, named by `--config` "
        "or `MODEL2_CONFIG`, gives only what differs. `model2 validate-config` says whether it is "
        "understood, and what an edit outdates. Its `regions` replace the default region; its "
        "`models` are merged over the default models, and `null` removes one.\n\n"
        "```yaml\n"
        + (Path(load_config.__code__.co_filename).parents[1] / "default.yaml").read_text("utf-8")
        + "```\n"
    )
    return head + "".join(_section("", Model2Config, depth=2))


def _section(path: str, model: type[BaseModel], *, depth: int) -> Iterator[str]:
    nested: list[tuple[str, type[BaseModel]]] = []
    rows = []
    for name, field in model.model_fields.items():
        key = f"{path}.{name}" if path else name
        inner, placeholder = _model_within(field.annotation)
        if inner is not None:
            nested.append((f"{key}.{placeholder}" if placeholder else key, inner))
        if inner is None or field.description:
            rows.append(f"| `{name}` | {_default(field)} | {_type(field)} | {_text(field)} |\n")
    title = f"`{path}`" if path else ""
    if title:
        yield f"\n{'#' * min(depth, 4)} {title}\n\n{_one_line(model.__doc__)}\n"
    if rows:
        yield "\n| key | default | values | what it is |\n| --- | --- | --- | --- |\n"
        yield from rows
    for key, inner in nested:
        yield from _section(key, inner, depth=depth if not path else depth + 1)


def _model_within(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the section that a key holds, and the placeholder of the names it is under."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    if get_origin(annotation) is dict:
        inner, _ = _model_within(arguments[1])
        return inner, "<name>" if inner else ""
    if get_origin(annotation) in (tuple, list) and arguments:
        inner, _ = _model_within(arguments[0])
        return inner, "<n>" if inner else ""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        for argument in arguments:
            inner, placeholder = _model_within(argument)
            if inner is not None:
                return inner, placeholder
    return None, ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    if isinstance(plain, tuple | Mapping | list) and any(
        isinstance(each, BaseModel) for each in plain
    ):
        return ""
    text = json.dumps(plain, default=str)
    return f"`{text}`" if len(text) < 60 else ""


def _type(field: FieldInfo) -> str:
    limits = [str(limit) for limit in field.metadata if hasattr(limit, "__slots__")]
    words = {"Ge(ge=": "≥ ", "Gt(gt=": "> ", "Le(le=": "≤ ", "Lt(lt=": "< "}
    found = [
        symbol + limit.removeprefix(start).removesuffix(")")
        for limit in limits
        for start, symbol in words.items()
        if limit.startswith(start)
    ]
    return ", ".join([_words(field.annotation), *found])


_PLAIN = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true, false",
    dict: "mapping",
    type(None): "null",
}


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_words(argument) for argument in arguments))
    if origin in (tuple, list):
        return f"list of {_words(arguments[0])}"
    if origin is Annotated:
        return _words(arguments[0])
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return "section" if is_section else _PLAIN.get(origin or annotation, "any")


def _text(field: FieldInfo) -> str:
    return _one_line(field.description)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")


def checks_page() -> str:
    """Return the promise of every check, asset by asset."""
    head = (
        "# Checks\n\nWhat is evaluated of every asset, with the limits of the default "
        "configuration. A check of level error keeps a candidate that fails it from being "
        "published, if it looks at one before that; one of level warn is told and fails nothing.\n"
    )
    config = load_config()
    of_assets = {asset: checks_of(asset, config, "us") for asset in PRODUCTS}
    of_assets["oof_predictions"] += (REPRODUCED,)
    return head + "".join(
        _checks(f"`{asset}`" if asset else "Every asset", checks)
        for asset, checks in {"": (STORED,), **of_assets}.items()
    )


def _checks(title: str, checks: tuple[Check, ...]) -> str:
    looks = {"before": "before", "both": "before, and on disk", "stored": "on disk"}
    rows = [
        f"| `{check.name}` | {check.level}{'' if check.rejects else ', rejects nothing'} | "
        f"{looks[check.when]} | {_one_line(check.promise)} |\n"
        for check in checks
    ]
    table = "| check | level | looks | promise |\n| --- | --- | --- | --- |\n" + "".join(rows)
    return f"\n## {title}\n\n{table}"


def contracts_page() -> str:
    """Return the columns of every table that is handed to others."""
    names = sorted(path.name.split(".")[0] for path in FOLDER.glob("*.schema.json"))
    head = (
        "# Contracts\n\nColumns, types, units and keys of what is handed on, from the JSON "
        "Schemas in `contracts/`, which readers and writers enforce.\n"
    )
    return head + "".join(_contract(name) for name in names)


def _contract(name: str) -> str:
    schema = load_schema(name)
    head = f"\n## {name}\n\n{_one_line(schema['description'])}\n"
    if "x-key" not in schema:
        return (
            head
            + "".join(
                f"\n- `{key}`: {_one_line(each.get('description'))}"
                for key, each in schema["properties"].items()
            )
            + "\n"
        )
    contract = load_contract(name)
    rows = [_column(column) for column in contract.columns]
    rows += [_column(column, is_pattern=True) for column in contract.patterns]
    key = ", ".join(f"`{each}`" for each in contract.key)
    index = " They are the index." if set(contract.key) == set(INDEX_NAMES) else ""
    return (
        f"{head}\nA row is identified by {key}.{index}\n\n"
        "| column | type | unit | what it is |\n| --- | --- | --- | --- |\n" + "".join(rows)
    )


def _column(column: Column, *, is_pattern: bool = False) -> str:
    name = f"`{column.name}`".replace("|", "\\|")
    kind = column.arrow_type + (", nullable" if column.nullable else "")
    what = _one_line(column.description)
    return f"| {name}{' (pattern)' if is_pattern else ''} | {kind} | {column.unit} | {what} |\n"


def metrics_page() -> str:
    """Return what every metric means, and what it is held against."""
    rows = [
        f"| `{each.name}` | {each.long or each.title} | {each.unit or '–'} | {each.on or '–'} | "
        f"{_one_line(each.meaning)} |\n"
        for each in METRICS.values()
    ]
    return (
        "# Metrics\n\nWhat scores, leaderboard and tear sheets show. [](../scores.md) says why "
        "some are on realized returns and some on labels.\n\n"
        "| name | heading | unit | held against | meaning |\n| --- | --- | --- | --- | --- |\n"
        + "".join(rows)
    )


def parameters_page() -> str:
    """Return the parameters of our trainers, from their docstrings."""
    return (
        "# Parameters of Ridge and XGBoost\n\n"
        "Keys of `params` and `overrides` of a model "
        "([](../own_model.md)), of `search.space` ([](../parameter_search.md)) and of "
        "`model2 try --set`. The profile, here `default` with features normalized by rank, "
        "sets some of them under those of the configuration.\n"
        + "".join(_parameters(trainer) for trainer in (RidgeTrainer, XGBoostTrainer))
    )


def _parameters(trainer: type[BaseModelTrainer]) -> str:
    doc = inspect.cleandoc(str(trainer.__doc__))
    said = doc.partition("params : mapping\n")[2].partition("\nseed : int")[0]
    entries = re.findall(r"^    (``.+``)\n((?:        .+\n?)+)", said, re.MULTILINE)
    profiles = [trainer.profile_params("default", days, "rank") for days in (21, 63)]
    rows = []
    for title, text in entries:
        names = re.findall(r"``(\w+)``", title)
        defaults = _values(trainer.DEFAULT_PARAMS[name] for name in names)
        by_profile = _values(params[n] for params in profiles for n in names if n in params)
        shown = ", ".join(f"`{name}`" for name in names)
        rows.append(f"| {shown} | {defaults} | {by_profile} | {_plain(_one_line(text))} |\n")
    return (
        f"\n## {trainer.__name__}\n\n{_plain(doc.splitlines()[0])}\n\n"
        "| parameter | default | by the profile (21d, 63d) | meaning |\n"
        "| --- | --- | --- | --- |\n" + "".join(rows)
    )


def _values(values: Iterable[Any]) -> str:
    shown = [f"`{json.dumps(value)}`" for value in values]
    return ", ".join(shown if len(set(shown)) > 1 else shown[:1])


def _plain(text: str) -> str:
    return text.replace("``", "`")


def extras_page() -> str:
    """Return what each extra brings, from the comments of pyproject.toml."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    comments = dict(re.findall(r'^ +"([^"]+)", +# (.+)$', text, re.MULTILINE))
    rows = [
        f"| `{extra}` | {', '.join(re.split('[><=]', each)[0] for each in packages)} | "
        f"{'; '.join(comments[each] for each in packages)} |\n"
        for extra, packages in extras.items()
        if extra not in ("test", "docs", "audit")
    ]
    return (
        "# Extras\n\nWhat only some need is installed where it is asked for. The environment that "
        "make builds has the extra `test`: all of these but `k8s`, and what tests, checks and "
        "these pages need. In an environment of your own, in the checkout:\n\n"
        "```sh needs a package index\n"
        "pip install -c constraints.txt -e '.[demo,s3]'\n```\n\n"
        "| extra | brings | for |\n| --- | --- | --- |\n" + "".join(rows)
    )
