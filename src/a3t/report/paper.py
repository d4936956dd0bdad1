"""What the paper reached with Mistral-7B on ALFWorld: Tables 1, 2, 3, 14, 15 and 16, to stand beside a run of ours.

Source: Yang et al. 2024 (arXiv 2403.14589). Columns are Pick, Clean, Heat, Cool, Examine, PickTwo, Total; rows are rounds 0 to 3.
"""

from __future__ import annotations

from collections.abc import Mapping

SOURCE = "paper, 7B"

COLUMNS = ("Pick", "Clean", "Heat", "Cool", "Examine", "PickTwo", "Total")

Rows = tuple[tuple[int, ...], ...]

SINGLE: Mapping[str, Rows] = {
    # Table 1
    "valid_unseen": (
        (96, 77, 100, 95, 94, 47, 86),
        (96, 94, 96, 95, 89, 94, 94),
        (100, 100, 100, 95, 89, 82, 96),
        (100, 100, 91, 100, 100, 71, 95),
    ),
    # Table 14
    "valid_seen": (
        (86, 67, 94, 80, 85, 75, 80),
        (91, 89, 88, 96, 92, 67, 87),
        (97, 89, 100, 88, 92, 79, 91),
        (100, 96, 100, 96, 77, 79, 93),
    ),
}

ACCUMULATED: Mapping[str, Rows] = {
    # Table 2
    "valid_unseen": (
        (96, 77, 100, 95, 94, 47, 86),
        (96, 94, 100, 95, 100, 100, 97),
        (100, 100, 100, 95, 100, 100, 99),
        (100, 100, 100, 100, 100, 100, 100),
    ),
}

# Table 3
TRAINING: Rows = (
    (76, 85, 92, 85, 86, 77, 82),
    (100, 100, 100, 100, 100, 99, 99),
    (100, 100, 100, 100, 100, 100, 100),
    (100, 100, 100, 100, 100, 100, 100),
)

# Table 15: successes of (12, 10, 7, 14, 8, 9, 60) validation tasks.
VALIDATION: Rows = (
    (11, 9, 5, 11, 7, 9, 52),
    (11, 10, 6, 13, 7, 8, 55),
    (12, 10, 7, 13, 8, 8, 58),
    (12, 10, 7, 12, 8, 7, 56),
)
VALIDATION_TASKS = (12, 10, 7, 14, 8, 9, 60)

# Table 16: sentences in all, failed ones, their share in percent as printed. What a sentence is, the paper leaves open.
DATASET = ((2130, 0, "0.0"), (2669, 99, "3.7"), (4066, 177, "4.4"), (4995, 219, "4.3"))


def has_figures(environment: str) -> bool:
    """Only the world that the paper played in: figures of other worlds would be no comparison."""
    return environment.lower().startswith("alfworld")
