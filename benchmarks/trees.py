"""Digests that tell whether two boosters have the same trees to the bit."""

import hashlib
import json

import xgboost as xgb


def tree_digest(booster: xgb.Booster) -> str:
    """Hash every tree and the base score: not the names of features, nor settings.

    Parameters
    ----------
    booster : Booster
        A fitted model.

    Returns
    -------
    str
        SHA-256, the first 16 hexadecimal digits.
    """
    model = json.loads(bytes(booster.save_raw(raw_format="json")))["learner"]
    content = (
        model["gradient_booster"]["model"]["trees"],
        model["learner_model_param"]["base_score"],
    )
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
