"""Parts that config.yaml and JOB.json share: parameter keys and the place of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats.safepath import relative_path
from gitexp.model.config import ParamKey, Predictions

if TYPE_CHECKING:
    from gitexp.formats.fields import Fields
    from gitexp.formats.jsontext import Json


def param_key(text: str) -> ParamKey:
    """Read ``key`` (of params.yaml) or ``file:key``, as DVC's ``-S`` has it.

    Examples
    --------
    >>> param_key("train.seed"), str(param_key("conf/model.yaml:lr"))
    (ParamKey(file='params.yaml', key='train.seed'), 'conf/model.yaml:lr')
    """
    file, colon, key = text.rpartition(":")
    return ParamKey(file if colon else "params.yaml", key)


def read_predictions(fields: Fields) -> Predictions:
    """Read where predictions are and what their columns are called."""
    defaults = Predictions(path="")
    spec = Predictions(
        path=relative_path(fields.text("path"), where="predictions.path"),
        id=fields.text("id", defaults.id),
        y_true=fields.text("y_true", defaults.y_true),
        y_pred=fields.text("y_pred", defaults.y_pred),
        positive=fields.maybe_text("positive"),
        cluster=fields.maybe_text("cluster"),
    )
    fields.only_known()
    return spec


def predictions_json(spec: Predictions | None) -> Json:
    """Turn `Predictions` into JSON, null where there are none."""
    if spec is None:
        return None
    value: dict[str, Json] = {
        "path": spec.path,
        "id": spec.id,
        "y_true": spec.y_true,
        "y_pred": spec.y_pred,
    }
    # what is not set is not written: digests of older projects stay as they are
    if spec.positive is not None:
        value["positive"] = spec.positive
    if spec.cluster is not None:
        value["cluster"] = spec.cluster
    return value
