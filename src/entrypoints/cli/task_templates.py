"""The texts that a drafted task file is made of."""

FILE = '''"""A first task, drafted from a CSV file.

What stands below a comment that begins with "guess" was inferred from the file: read it,
and correct it. "weighbridge task check" says what a training would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

{imports}

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SCHEMA = Schema(
    features=(
{features}
    ),
{target}
    {mark}the name that a prediction goes by in answers
    prediction={prediction},
)


{pipeline}


TASK = TaskDefinition(
    {mark}the name in the store and in the service's address, taken from the file's
    name={name},
    schema=SCHEMA,
    estimator=EstimatorSpec(
        pipeline=pipeline,
        {mark}from shallow to deep, from small leaves to large; all combinations are tried
        grid={{
            "{step}__max_depth": [*range(2, 11), None],
            "{step}__min_samples_leaf": [1, 2, 5, 10, 20],
        }},
        folds={folds},
        {mark}what the search makes as great as it can
        scoring="{scoring}",
    ),
    {mark}{why}; raise both once you know what is good
    thresholds=(Threshold("{scoring}", error={error:g}, warning={warning:g}),),
    {mark}{stratified}
    split={split},
{checks}
    {mark}every known fault of data is looked for; a rule can be left out or set otherwise
    rules=default_rules("{rules}"),
)
'''

PLAIN = '''def pipeline(seed: int) -> Pipeline:
    """A decision tree on the numbers as they are."""
    from sklearn.pipeline import Pipeline
    from sklearn.tree import {tree}

    {mark}a tree is quick to search and easy to explain; any estimator fits here
    return Pipeline([("{step}", {tree}(random_state=seed))])'''

WITH_CATEGORIES = '''def pipeline(seed: int) -> Pipeline:
    """One-hot categories beside the numbers, into a decision tree."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.tree import {tree}

    categories = [each for each in SCHEMA.features if isinstance(each, Category)]
    levels = [list(each.levels) for each in categories]
    one_hot = OneHotEncoder(categories=levels, sparse_output=False)
    names = [each.name for each in categories]
    columns = ColumnTransformer([("one_hot", one_hot, names)], remainder="passthrough")
    {mark}a tree is quick to search and easy to explain; any estimator fits here
    tree = {tree}(random_state=seed)
    return Pipeline([("features", columns), ("{step}", tree)])'''
