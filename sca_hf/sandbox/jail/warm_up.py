"""What a warm interpreter does before it serves programs that use pandas: its usual calls.

pandas imports more and fills caches on a first call. Done once here, none of it is done in every fork: such programs
take half the time. (With numpy it makes no difference.)
"""

import contextlib
import io
import warnings
from collections.abc import Iterable

_ROUNDS = 2


def exercise(packages: Iterable[str]) -> None:
    """Changes nothing that a program could tell but by the clock: what fails is left as it is, and nothing is warned
    of. `packages`: names of those that are imported."""
    if "pandas" not in packages:
        return
    for _ in range(_ROUNDS):
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _use_pandas()


def _use_pandas() -> None:
    import pandas as pd

    d = pd.DataFrame({"k": [1, 2, 1], "v": [3, 4, 5], "s": ["a", "b", "c"], "f": [0.5, 1.5, None]})
    grouped = d.groupby("k")
    _ = grouped["v"].sum().loc[1], grouped.agg({"v": "mean", "f": "max"}), d.groupby(["k", "s"]).size(), list(grouped)
    _ = d.sort_values("v"), d.merge(d, on="k"), pd.concat([d, d]), d.loc[d["v"] > 3, "v"], d.iloc[0], d.at[0, "v"]
    d["w"] = d["v"] * 2 + 1
    _ = (
        d[["k", "v"]].apply(sum, axis=1),
        d["v"].apply(float),
        d["v"].map(str),
        d["s"].str.upper(),
        d["s"].value_counts(),
    )
    _ = d.fillna(0), d.dropna(), d.isnull().sum(), d.drop(columns=["w"]), d.rename(columns={"v": "x"}), d[["k", "v"]]
    _ = d.reset_index(drop=True), d.set_index("k"), d.duplicated(), d.drop_duplicates("k"), d.T, d.melt(id_vars="k")
    _ = d.pivot_table(index="k", values="v", aggfunc="sum"), d.describe(), d.corr(numeric_only=True), d.shape, d.dtypes
    _ = d["v"].sum(), d["v"].mean(), d["v"].cumsum(), d["v"].rolling(2).mean(), d["v"].isin([3]).any(), d["s"].unique()
    _ = d.to_dict("records"), d.to_numpy(), list(d.iterrows()), repr(d), str(d["v"]), d.equals(d.copy()), d.head(1)
    _ = pd.to_datetime(["2020-01-01", "2020-02-03"]).month, pd.date_range("2020-01-01", periods=3), pd.Series({"a": 1})
    _ = pd.read_csv(io.StringIO("a,b\n1,2\n")).to_csv(index=False)
    pd.testing.assert_frame_equal(d, d.copy())
