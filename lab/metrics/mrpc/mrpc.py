"""Accuracy and F1 of the positive class, as GLUE scores MRPC, for machines that cannot reach the Hub."""

import datasets
import evaluate
from sklearn.metrics import accuracy_score, f1_score

_DESCRIPTION = "Accuracy and F1 of class 1, the figures that GLUE reports for MRPC."
_INPUTS = """
Args:
    predictions: class numbers, 0 or 1.
    references: true class numbers, 0 or 1.
Returns:
    accuracy, f1: shares between 0 and 1.
"""


class Mrpc(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=_DESCRIPTION, citation="", inputs_description=_INPUTS, features=features)

    def _compute(self, predictions, references):
        return {
            "accuracy": float(accuracy_score(references, predictions)),
            "f1": float(f1_score(references, predictions, zero_division=0)),
        }
