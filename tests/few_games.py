"""Five household games in small rooms, for runs that only have to run."""

FEW_GAMES = {
    "name": "household",
    "options": {"receptacles": [6, 7], "distractors": [4, 5]},
    "num_train_tasks": 4,
    "num_validation_tasks": 0,
    "test_splits": ["valid_unseen"],
    "num_test_tasks": 1,
}
