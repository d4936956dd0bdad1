import os
from pathlib import Path

import pytest
from small_folder import write_folder


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A data folder of hand-made games; do not change it."""
    return write_folder(tmp_path_factory.mktemp("alfworld"))


@pytest.fixture(scope="session")
def official_archives():
    """Where the official games lie as tar.xz, one archive a split."""
    test_data = os.environ.get("A3T_TEST_DATA")
    folder = (Path(test_data) if test_data else Path(__file__).parents[3] / "shared" / "data") / "alfworld"
    if not (folder / "valid_seen.tar.xz").is_file():
        pytest.skip(f"no official ALFWorld games: looked for {folder}/valid_seen.tar.xz (A3T_TEST_DATA says where else)")
    return folder


@pytest.fixture(scope="session")
def official_data(official_archives, tmp_path_factory):
    """Data folders with the official games: `212` (valid_seen), `valid_train` and `211` (valid_seen in the older words)."""
    from a3t.envs.alfworld.data import import_data

    root = tmp_path_factory.mktemp("official")
    names = {"212": "valid_seen.tar.xz", "valid_train": "valid_train.tar.xz", "211": "valid_seen_2.1.1_text.tar.xz"}
    for folder, archive in names.items():
        import_data(official_archives / archive, root / folder)
    return {folder: root / folder for folder in names}
