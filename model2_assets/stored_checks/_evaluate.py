"""Evaluate a stored result, and say it in one verdict."""

from collections.abc import Sequence

from model2_assets.checks import CheckOutcome, check_recorded, failed_errors
from model2_assets.errors import Model2Error
from model2_assets.lack_of_memory import lack_of_memory
from model2_assets.redaction import without_secrets
from model2_assets.stored_checks._files import StoredFiles
from model2_assets.stored_checks._registry import PREDICATES


def evaluate_stored(files: StoredFiles, asset: str) -> tuple[CheckOutcome, ...]:
    """Read a stored result again, and evaluate what is known to hold of it.

    Parameters
    ----------
    files : StoredFiles
        What is on disk.
    asset : str
        The asset to look at.

    Returns
    -------
    tuple of CheckOutcome
        ``readable`` first; the predicates of `PREDICATES` follow where it is, and before them
        ``recorded`` where something is recorded of it outside of the store. One that cannot be
        evaluated, since a file that it needs is missing or damaged, is a failure.
    """
    outcomes = [read_back(files, asset)]
    if outcomes[0].passed and files.is_recorded(asset):
        outcomes.append(check_recorded(files.difference_from_record(asset)))
    if outcomes[0].passed and asset in PREDICATES:
        try:
            outcomes.extend(PREDICATES[asset](files))
        except Exception as error:
            outcomes.append(_failure("evaluated", "cannot be evaluated", error))
    return tuple(outcomes)


def read_back(files: StoredFiles, asset: str) -> CheckOutcome:
    """Read a stored result as a whole: it is there, undamaged, and keeps its contract.

    Parameters
    ----------
    files : StoredFiles
        What is on disk.
    asset : str
        The asset to look at.

    Returns
    -------
    CheckOutcome
        Named ``readable``; fold models are compared with the hashes in their manifest.
    """
    address = files.address(asset)
    try:
        if address.product.format == "fold_models":
            models = files.models(asset)
            models.verify()
            size = models.manifest.total_bytes / 1e6
            text = f"{len(models)} models, {size:,.2f} MB, are as their manifest says"
        elif address.product.contract is None:
            files.store.verify(address)
            text = f"{address} can be read"
        else:
            if address.product.as_matrix:
                files.store.verify(address)
            text = f"{len(files.own(asset)):,} rows keep {address.product.contract}"
    except Exception as error:
        return _failure("readable", "", error)
    return CheckOutcome("readable", passed=True, description=text)


def reproduce_stored(files: StoredFiles) -> CheckOutcome:
    """Predict every row by the stored fold models, and compare with what is stored.

    Parameters
    ----------
    files : StoredFiles
        What is on disk of a partition.

    Returns
    -------
    CheckOutcome
        Named ``stored_models_reproduce_oof``; a file that is missing or damaged fails it.
    """
    from model2_assets.checks import check_reproduced
    from model2_assets.training import predict_stored

    try:
        predicted, _ = predict_stored(
            files.models(),
            features=files.shared("features"),
            labels=files.shared("labels"),
            cv_splits=files.shared("cv_splits"),
        )
        return check_reproduced(files.own("oof_predictions"), predicted)
    except Exception as error:
        return _failure("stored_models_reproduce_oof", "cannot be evaluated", error)


def read_back_predictions(files: StoredFiles) -> CheckOutcome:
    """Check that stored predictions are the published ones, of the fold models that are stored.

    The check ``repeatable`` found, before they were published, that these models predict them
    to the bit; so if neither has changed since, they still do.

    Parameters
    ----------
    files : StoredFiles
        What is on disk of a partition.

    Returns
    -------
    CheckOutcome
        Named ``stored_models_reproduce_oof``; a file that is missing or damaged fails it.
    """
    from model2_assets.checks import check_made_from, check_unaltered

    try:
        oof, models = files.own("oof_predictions"), files.models()
        models.verify()
        found = (
            check_unaltered(oof),
            check_made_from(
                "oof_predictions", oof, versions={"fitted_models": models.manifest.data_version}
            ),
        )
    except Exception as error:
        return _failure("stored_models_reproduce_oof", "cannot be evaluated", error)
    problems = [outcome.description for outcome in found if not outcome.passed]
    return CheckOutcome(
        "stored_models_reproduce_oof",
        passed=not problems,
        description="; ".join(problems)
        or f"{len(oof):,} predictions and {len(models)} models are those of the check repeatable",
    )


def verdict_of(outcomes: Sequence[CheckOutcome]) -> CheckOutcome:
    """Return several outcomes as one.

    Parameters
    ----------
    outcomes : sequence of CheckOutcome
        What was found.

    Returns
    -------
    CheckOutcome
        Named ``stored``; names every predicate that fails, or all that hold. Its severity
        is ``error`` if one of severity error fails, ``warn`` if only others do.
    """
    failed = [outcome for outcome in outcomes if not outcome.passed]
    only_warns = bool(failed) and not failed_errors(outcomes)
    holds = f"{outcomes[0].description}; hold: {', '.join(outcome.name for outcome in outcomes)}"
    return CheckOutcome(
        "stored",
        passed=not failed,
        severity="warn" if only_warns else "error",
        description="; ".join(f"{outcome.name}: {outcome.description}" for outcome in failed)
        or holds,
        values={"predicates": len(outcomes), "failed_predicates": len(failed)},
    )


def _failure(name: str, what: str, error: Exception) -> CheckOutcome:
    """Return what is wrong; other errors than ours name their kind, since texts may be bare."""
    refused = lack_of_memory(error)
    if refused is not None:
        text = f"no verdict, for lack of memory ({refused or type(error).__name__})"
    elif isinstance(error, Model2Error):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    text = without_secrets(f"{what}: {text}" if what else text)
    return CheckOutcome(name, passed=False, description=text)
