"""How config.yaml, JOB.json and ``-S`` name a parameter."""

from __future__ import annotations

from gitexp.model.config import ParamKey


def param_key(text: str) -> ParamKey:
    """Read ``key`` (of params.yaml) or ``file:key``, as DVC's ``-S`` has it.

    Examples
    --------
    >>> param_key("train.seed"), str(param_key("conf/model.yaml:lr"))
    (ParamKey(file='params.yaml', key='train.seed'), 'conf/model.yaml:lr')
    """
    file, colon, key = text.rpartition(":")
    return ParamKey(file if colon else "params.yaml", key)
