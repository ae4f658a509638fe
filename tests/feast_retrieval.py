"""Run in Feast's environment: ask a repository for rows through Feast's own API, and write what it answers.

    python feast_retrieval.py REPOSITORY ENTITIES.parquet HISTORY.parquet ONLINE.parquet

ENTITIES holds the key and `event_timestamp`; HISTORY gets the features as of then, ONLINE those of each key
now.
"""

from __future__ import annotations

import sys

import pandas as pd
from feast import FeatureStore


def main(repository: str, entities: str, history: str, online: str) -> None:
    store = FeatureStore(repo_path=repository)
    (service,) = store.list_feature_services()
    wanted = pd.read_parquet(entities)
    store.get_historical_features(entity_df=wanted, features=service).to_df().to_parquet(history)
    (key,) = [name for name in wanted.columns if name != "event_timestamp"]
    rows = [{key: value} for value in wanted[key].drop_duplicates().tolist()]
    store.get_online_features(entity_rows=rows, features=service).to_df().to_parquet(online)
    view = store.get_feature_view(service.feature_view_projections[0].name)
    first = view.features[0]
    print(view.tags["feature_set"], len(view.features), first.name, first.dtype, first.description, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
