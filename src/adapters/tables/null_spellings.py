"""What stands for a missing value in a text table."""

#: In a column of numbers; the list that pandas has. In a column of texts, only an empty cell is missing.
NULL_SPELLINGS = (
    *("", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "Null", "null", "None", "<NA>"),
    *("#N/A", "#N/A N/A", "#NA", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"),
)
