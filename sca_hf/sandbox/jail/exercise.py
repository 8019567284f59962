"""What a warm interpreter does before it serves programs: the usual calls of the packages that it has imported.

Packages import more and fill caches on a first call, and the interpreter specialises code that it has seen often. Done
once here, none of it is done, and none of its pages is copied, in every fork.
"""

import contextlib
import io
import warnings
from collections.abc import Iterable
from typing import Any

# Code is specialised from its eighth run on (Python 3.11).
_ROUNDS = 10


def exercise(packages: Iterable[str]) -> None:
    """Changes nothing that a program could tell but by the clock: what fails is left as it is, and nothing is warned
    of. `packages`: their names; one without an exercise has none."""
    for name in packages:
        for _ in range(_ROUNDS):
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _EXERCISES.get(name, _nothing)()


def _nothing() -> None:
    return


def _numpy() -> None:
    import numpy as np

    a = np.arange(6.0).reshape(2, 3)
    b = np.array([[1, 2], [3, 4]])
    _ = a + a * 2 - a / 3, a @ a.T, b**2, b % 2, -b, b > 1, b == 1, a[0], a[:, 1], a[a > 2], a.T, b.tolist(), repr(a)
    for found in (a, b):
        _ = found.sum(), found.sum(axis=0), found.mean(), found.std(), found.max(), found.min(), found.argmax()
        _ = found.cumsum(), found.copy(), found.astype(float), found.flatten(), found.any(), found.all()
    _ = np.zeros(3), np.ones((2, 2)), np.eye(2), np.linspace(0, 1, 5), np.full(2, 7), np.concatenate([b, b])
    _ = np.dot(b, b), np.sort(b), np.unique(b), np.where(b > 1, b, 0), np.vstack([b, b]), np.median(a)
    _ = np.array_equal(a, a), np.allclose(a, a), np.isnan(a), np.sqrt(a), np.exp(a), np.diff(b), np.argsort(b)
    _ = np.linalg.norm(a), np.linalg.inv(b), np.linalg.det(b), np.outer([1, 2], [3, 4]), np.abs(b), np.round(a, 1)


def _pandas() -> None:
    import pandas as pd

    d = pd.DataFrame({"k": [1, 2, 1], "v": [3, 4, 5], "s": ["a", "b", "c"], "f": [0.5, 1.5, None]})
    grouped = d.groupby("k")
    _ = grouped["v"].sum().loc[1], grouped.agg({"v": "mean", "f": "max"}), d.groupby(["k", "s"]).size(), list(grouped)
    _ = d.sort_values("v"), d.merge(d, on="k"), pd.concat([d, d]), d.loc[d["v"] > 3, "v"], d.iloc[0], d.at[0, "v"]
    d["w"] = d["v"] * 2 + 1
    _ = d.apply(_second, axis=1), d["v"].apply(float), d["v"].map(str), d["s"].str.upper(), d["s"].value_counts()
    _ = d.fillna(0), d.dropna(), d.isnull().sum(), d.drop(columns=["w"]), d.rename(columns={"v": "x"}), d[["k", "v"]]
    _ = d.reset_index(drop=True), d.set_index("k"), d.duplicated(), d.drop_duplicates("k"), d.T, d.melt(id_vars="k")
    _ = d.pivot_table(index="k", values="v", aggfunc="sum"), d.describe(), d.corr(numeric_only=True), d.shape, d.dtypes
    _ = d["v"].sum(), d["v"].mean(), d["v"].max(), d["v"].cumsum(), d["v"].rolling(2).mean(), d["v"].isin([3]).any()
    _ = d["s"].unique(), d["v"].tolist(), d.to_dict("records"), d.to_numpy(), list(d.iterrows()), repr(d), str(d["v"])
    _ = d.equals(d.copy()), d["v"].astype(float), d.head(1), d.columns.tolist(), len(d), d["k"].nunique()
    _ = pd.to_datetime(["2020-01-01", "2020-02-03"]).month, pd.date_range("2020-01-01", periods=3), pd.Series({"a": 1})
    _ = pd.read_csv(io.StringIO("a,b\n1,2\n")).to_csv(index=False)
    pd.testing.assert_frame_equal(d, d.copy())


def _second(row: Any) -> Any:
    return row["v"]


_EXERCISES = {"numpy": _numpy, "pandas": _pandas}
