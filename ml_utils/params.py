"""params.yaml says HOW to run: which parameters a notebook declares, and what values it gets.

A notebook declares parameters as annotated literals in the cell tagged `parameters`. A name that no
notebook declares, or a declared one that params.yaml lacks, is an error.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ml_utils.errors import ParameterError, list_known
from ml_utils.paths import project_root

# Set by the runner from PROBLEM and PROFILE, so params.yaml must not set them a second time.
RUN_PARAMETERS = ("problem", "profile")

_SCALARS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}


@dataclass(frozen=True)
class Parameter:
    """A parameter that a notebook declares: its name, annotation and quick default."""

    name: str
    annotation: str
    default: Any

    def check(self, value: Any, where: str) -> Any:
        """Return `value` if it fits the annotation.

        Raises
        ------
        ParameterError
            If it does not; `where` says where the value came from.
        """
        if self.annotation == "str" and isinstance(value, date):  # how YAML reads 2026-01-31
            value = value.isoformat()
        if not _fits(value, self.annotation):
            raise ParameterError(
                f"{where}: {self.name} must be {self.annotation} (like {self.default!r}); got {value!r}."
            )
        return float(value) if self.annotation == "float" else value


def load_params(path: str | Path | None = None) -> dict[str, Any]:
    """Read params.yaml.

    Parameters
    ----------
    path : str or Path, optional
        The file; by default params.yaml at the project's root.

    Returns
    -------
    dict
        Parameter names and values.

    Raises
    ------
    ParameterError
        If the file is missing, is not YAML, or is not a flat mapping.
    """
    source = Path(path) if path is not None else project_root() / "params.yaml"
    if not source.is_file():
        raise ParameterError(f"There is no {source}; it holds the parameters of the notebooks.")
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ParameterError(f"{source} is not valid YAML: {error}") from error
    if not isinstance(content, dict) or any(isinstance(value, dict) for value in content.values()):
        raise ParameterError(f"{source} must be flat: one `name: value` a line, no nesting.")
    return content


def declared_parameters(notebook: Path) -> dict[str, Parameter]:
    """List the parameters that a notebook declares.

    Parameters
    ----------
    notebook : Path
        An .ipynb file with one code cell tagged `parameters`.

    Returns
    -------
    dict
        Name to Parameter, in the order of the cell.

    Raises
    ------
    ParameterError
        If the cell is missing or holds anything else than annotated literals.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise ParameterError(f"{notebook.name} needs one cell tagged `parameters`; it has {len(tagged)}.")
    found = {}
    for node in ast.parse("".join(tagged[0]["source"])).body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value):
            raise ParameterError(
                f"{notebook.name}: the parameters cell takes lines like `alpha: float = 0.05` only; "
                f"got `{ast.unparse(node)}`."
            )
        parameter = Parameter(node.target.id, ast.unparse(node.annotation), ast.literal_eval(node.value))
        parameter.check(parameter.default, f"{notebook.name}, parameters cell")
        found[parameter.name] = parameter
    return found


def resolve(
    notebooks: Sequence[Path],
    params: Mapping[str, Any],
    overrides: Mapping[str, Any],
    run: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Work out the values that each notebook gets.

    Parameters
    ----------
    notebooks : sequence of Path
        All notebooks of the project.
    params : mapping
        Content of params.yaml.
    overrides : mapping
        Values given on the command line; they win.
    run : mapping
        Values of RUN_PARAMETERS.

    Returns
    -------
    dict
        Notebook's stem to its parameters' names and values.

    Raises
    ------
    ParameterError
        If a name is unknown or missing, or a value has the wrong type; every fault is listed.
    """
    declared = {notebook.stem: declared_parameters(notebook) for notebook in notebooks}
    known = {name for parameters in declared.values() for name in parameters}
    faults = _unknown(params, known, "params.yaml") + _unknown(overrides, known, "command line")
    values = {**params, **overrides, **run}
    resolved: dict[str, dict[str, Any]] = {}
    for stem, parameters in declared.items():
        resolved[stem] = {}
        for name, parameter in parameters.items():
            if name not in values:
                faults.append(f"params.yaml lacks {name}, which {stem} declares.")
                continue
            where = "command line" if name in overrides else "params.yaml"
            try:
                resolved[stem][name] = parameter.check(values[name], where)
            except ParameterError as error:
                faults.append(str(error))
    if faults:
        raise ParameterError("\n".join(dict.fromkeys(faults)))
    return resolved


def _unknown(given: Mapping[str, Any], known: set[str], where: str) -> list[str]:
    free = known - set(RUN_PARAMETERS)
    faults = []
    for name in given:
        if name in RUN_PARAMETERS:
            faults.append(f"{where}: {name} is set by `make report {name.upper()}=…`, not as a parameter.")
        elif name not in known:
            faults.append(f"{where}: unknown parameter {name!r}. {list_known(name, free)}")
    return faults


def _fits(value: Any, annotation: str) -> bool:
    if annotation.startswith("list[") and annotation.endswith("]"):
        return isinstance(value, list) and all(_fits(item, annotation[5:-1]) for item in value)
    if annotation not in _SCALARS:
        known = [*_SCALARS, *(f"list[{name}]" for name in _SCALARS)]
        raise ParameterError(f"A parameter's annotation is one of {', '.join(known)}; got {annotation!r}.")
    if isinstance(value, bool) and annotation != "bool":
        return False
    return isinstance(value, _SCALARS[annotation])
