"""What notebook 04 says: does the service answer what the model says, how sure is that, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_utils.serving.parity import say_difference
from ml_utils.wording import count, percent, times

if TYPE_CHECKING:
    from ml_utils.batch.result import BatchScore
    from ml_utils.model import Model
    from ml_utils.problem import Problem
    from ml_utils.serving.log_check import LogCheck
    from ml_utils.serving.parity import Package, Parity
    from ml_utils.serving.probes import Probes
    from ml_utils.serving.rehearsal import SwapRehearsal


def sentences(
    package: Package,
    over_http: Parity,
    probes: Probes,
    log: LogCheck,
    swap: SwapRehearsal,
    batch: BatchScore,
    problem: Problem,
    model: Model,
    approved: bool = True,
    retired: bool = False,
) -> list[str]:
    """Answer notebook 04's question in three sentences, without anything that differs from run to run.

    Parameters
    ----------
    package : Package
    over_http : Parity
        Of rows that went through the running service.
    probes : Probes
    log : LogCheck
    swap : SwapRehearsal
    batch : BatchScore
        Of the live period.
    problem : Problem
    model : Model
    approved : bool
        Whether the model passed the gates of notebook 03.
    retired : bool
        Whether the version was taken out of use since.

    Returns
    -------
    list of str
        Whether it answers what the model says; what was rehearsed; what to do.
    """
    return [
        _same(package, probes),
        _rehearsed(over_http, log, swap),
        _to_do(batch, problem, model, approved, retired),
    ]


def _same(package: Package, probes: Probes) -> str:
    rows = f"all {count(package.rows)} rows of the test split"
    if package.compiled:
        rows += f" and {count(package.edges)} generated rows at the edges"
        form = "from its compiled form"
    else:
        form = "from the package, which holds the pipeline itself"
    return (
        f"The service answers what the model says: {rows} get the trained pipeline's score {form} "
        f"({say_difference(package.largest)}), and {probes.refused} of {probes.faulty} faulty requests were "
        "refused with the fault named."
    )


def _rehearsed(over_http: Parity, log: LogCheck, swap: SwapRehearsal) -> str:
    kept = (
        "every prediction that it acknowledged is in its log"
        if log.complete
        else "its log lacks predictions that it acknowledged"
    )
    lost = "no request failed" if not swap.failed else "requests failed"
    return (
        f"{count(over_http.rows)} of these rows went over HTTP through the running service, with its keys "
        f"and its prediction log on ({say_difference(over_http.largest)}); {kept}, and {lost} while the "
        f"model was changed {times(swap.swaps, 'time')} under load."
    )


def _to_do(batch: BatchScore, problem: Problem, model: Model, approved: bool, retired: bool) -> str:
    if batch.acted is None or model.threshold is None or problem.decision is None:
        todo = f"all {count(batch.rows)} {problem.entity} of the live period are scored"
    else:
        todo = (
            f"{count(batch.acted)} of the {count(batch.rows)} {problem.entity} of the live period "
            f"({percent(batch.acted / batch.rows)}) reach the threshold of {percent(model.threshold, 0)}, so "
            f"there the advice is to {problem.decision.action}"
        )
    if retired:
        advice = "Don't deploy it: the version is retired, and this page rehearses only"
    elif approved:
        advice = "Deploy it with the files written here"
    else:
        advice = "Don't deploy it: it did not pass the gates of notebook 03, and this page rehearses only"
    return f"{advice}; {todo}."
