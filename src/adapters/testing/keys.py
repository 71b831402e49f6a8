"""Hypothesis strategies for the keys of artefacts."""

from hypothesis import strategies as st

_TIMES = (
    "2021-07-03T23-05-32Z",
    "2021-07-03T23:05:32",
    "2021-07-01T16|45|38",
    "2021-07-01 16:45:38.5+05:00",
    "2021-07-01",
)


def kinds() -> st.SearchStrategy[str]:
    """The first level of a key; some kinds begin like others."""
    return st.sampled_from(["datasets", "models", "models2", "promotions"])


def names() -> st.SearchStrategy[str]:
    """The second level of a key: timestamped names in the spellings of the field, and odd but lawful ones."""
    return st.one_of(
        st.builds(
            "{}_{}.{}".format,
            st.sampled_from(["time_to_dispatch", "time", "orders"]),
            st.sampled_from(_TIMES),
            st.sampled_from(["csv", "parquet", "json"]),
        ),
        st.text(st.sampled_from("aAbz019_-|: .+%?#&=*'\"<>~é日\u2028\ufffd🚚"), min_size=1, max_size=24).filter(
            _lawful
        ),
        st.text(
            st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=12
        ).filter(_lawful),
    )


def keys() -> st.SearchStrategy[str]:
    """Keys that every store can hold."""
    return st.builds("{}/{}".format, kinds(), names())


def unlawful_keys() -> st.SearchStrategy[str]:
    """Keys that every store refuses."""
    return st.one_of(
        st.sampled_from(["", "/", "datasets", "datasets/", "/a.csv", "datasets//a.csv", "datasets/sub/a.csv"]),
        st.sampled_from(
            ["../a.csv", "datasets/..", "datasets/.a.csv", ".datasets/a.csv", "./a.csv", "/etc/passwd"]
        ),
        st.builds(
            "datasets/{}{}{}".format,
            names(),
            st.sampled_from(["\n", "\0", "\x1f", "\x7f", "\\", "/", "\ud800", "\udfff"]),
            names(),
        ),
    )


def _lawful(name: str) -> bool:
    return not name.startswith(".")
