"""`python -m ml_utils.feature_store publish --problem churn` publishes what notebook 01 logged to Feast."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_utils.errors import OctavoError
from ml_utils.feature_store.publishing import publish
from ml_utils.paths import Workspace, project_root
from ml_utils.problem import load_problem
from ml_utils.registry import Registry


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish a logged feature set; return 1 with a message when it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m ml_utils.feature_store", description=__doc__)
    parser.add_argument("command", choices=["publish"])
    parser.add_argument("--problem", default="churn", help="name, or path of a problem file")
    parser.add_argument("--profile", default="full")
    parser.add_argument("--feature-set", metavar="VERSION", help="by default the one logged last")
    parser.add_argument("--folder", type=Path, help="the Feast repository; by default data/feast/<problem>")
    options = parser.parse_args(arguments)
    try:
        problem = load_problem(options.problem)
        workspace = Workspace(problem.name, options.profile, project_root())
        # The table is enough; the pickled engineer belongs to the versions of libraries that fitted it.
        feature_set = Registry(workspace).load_feature_set(options.feature_set, engineer=False)
        folder = options.folder or workspace.root / "data" / "feast" / workspace.name
        published = publish(feature_set, folder, workspace.name)
    except OctavoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    lines = [f"{what:<16}{value}" for what, value in published.to_frame().itertuples(index=False)]
    known = [] if published.new else ["This version was there already; nothing was changed."]
    sys.stdout.write("\n".join([*lines, *known]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
