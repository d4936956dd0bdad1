"""The official data, fetched from a server that breaks and lies, and taken from archives of friend and foe."""

import errno
import hashlib
import io
import os
import shutil
import tarfile
import zipfile

import pytest
from small_folder import APPLE, GAMES, write_folder
from small_server import serve

from a3t.envs.alfworld import AlfworldEnv
from a3t.envs.alfworld.data import ARCHIVES, Archive, fetch, import_data
from a3t.envs.alfworld.download import ATTEMPTS, download
from a3t.envs.alfworld.unpack import target_of, unpack
from a3t.errors import BadDataError, DiskFullError, EnvironmentFailure, MissingDataError, UnknownNameError

CONTENT = os.urandom(1 << 20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with serve(CONTENT) as served:
        yield served


def get(served, path, **options):
    return download(served.url, path / "games.zip", wait_s=0, timeout_s=5, **options)


def zipped(folder):
    """A folder as a zip, as the official archives are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def tarred(folder, path):
    with tarfile.open(path, "w:xz") as archive:
        archive.add(folder / "json_2.1.1", "json_2.1.1")
    return path


def count(got):
    return got.games


# Downloading


def test_a_download_comes_whole_and_leaves_nothing_else(server, tmp_path):
    path = get(server, tmp_path, sha256=DIGEST)
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_a_connection_cut_in_the_middle_goes_on_where_it_broke(server, tmp_path):
    server.break_after = [300_000, 100_000]
    assert get(server, tmp_path, sha256=DIGEST).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-", "bytes=400000-"]


def test_a_download_given_up_is_taken_up_again_by_the_next_run(server, tmp_path):
    server.break_after = [300_000] + [0] * ATTEMPTS
    with pytest.raises(EnvironmentFailure, match=r"300000 bytes are kept in .*games\.zip\.part; the same command goes on"):
        get(server, tmp_path)
    server.break_after, asked = [], len(server.requests)
    assert get(server, tmp_path, sha256=DIGEST).read_bytes() == CONTENT
    assert server.requests[asked:] == ["bytes=300000-"]


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(server, tmp_path):
    server.ranges, server.break_after = False, [300_000]
    assert get(server, tmp_path, sha256=DIGEST).read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_only_checked(server, tmp_path):
    (tmp_path / "games.zip.part").write_bytes(CONTENT)
    assert get(server, tmp_path, sha256=DIGEST).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "games.zip.part").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path, sha256=DIGEST).read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.status = [503, 429, None]
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_not_asked_for_twice(server, tmp_path):
    server.status = [404, 404]
    with pytest.raises(EnvironmentFailure, match="404"):
        get(server, tmp_path)
    assert len(server.requests) == 1


def test_a_file_that_is_not_what_it_should_be_is_deleted(server, tmp_path):
    with pytest.raises(BadDataError, match=f"SHA-256 {DIGEST}, expected {'0' * 64}"):
        get(server, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_one_clear_error(tmp_path):
    with pytest.raises(EnvironmentFailure, match=r"cannot fetch http://127\.0\.0\.1:9/"):
        download("http://127.0.0.1:9/games.zip", tmp_path / "games.zip", wait_s=0, timeout_s=1)


def test_progress_tells_bytes_done_of_bytes_in_all(server, tmp_path):
    server.break_after, told = [300_000], []
    get(server, tmp_path, report=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert {total for _, total in told} == {len(CONTENT)}


# Fetching


def test_fetch_brings_the_games_and_the_second_time_asks_nobody(small_data, tmp_path):
    content = zipped(small_data)
    with serve(content) as served:
        served.break_after = [1000]
        archives = (Archive(served.url, hashlib.sha256(content).hexdigest(), "games"),)
        got = fetch(tmp_path / "data", archives=archives, quiet=True)
        assert count(got) == {"train": 2, "valid_seen": 2}
        assert "4 games in" in str(got)
        asked = len(served.requests)
        assert count(fetch(tmp_path / "data", archives=archives, quiet=True)) == count(got)
        assert len(served.requests) == asked
    AlfworldEnv(tmp_path / "data").reset(options={"task_id": APPLE})
    assert not list((tmp_path / "data").glob("*.zip*"))


def test_an_archive_interrupted_while_unpacking_is_unpacked_again(small_data, tmp_path):
    """What a killed run leaves: the archive whole, no receipt."""
    with serve(zipped(small_data)) as served:
        (tmp_path / "games.zip").write_bytes(served.content)
        got = fetch(tmp_path, archives=(Archive(served.url, None, "games"),), quiet=True)
        assert sum(count(got).values()) == 4
        assert served.requests == []


def test_every_edition_is_three_archives_over_https_with_known_digests():
    for edition, archives in ARCHIVES.items():
        assert len({archive.url for archive in archives}) == 3
        assert all(archive.url.startswith("https://github.com/alfworld/alfworld/releases/download/") for archive in archives)
        unknown = [archive.url for archive in archives if archive.sha256 is None]
        assert unknown == ([archives[2].url] if edition == "2.1.1" else [])


def test_an_unknown_edition_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(UnknownNameError, match=r"2\.1\.2"):
        fetch(tmp_path, edition="2.1.4")


def test_one_edition_is_not_fetched_over_another(tmp_path):
    (tmp_path / ".a3t-fetched").mkdir()
    (tmp_path / ".a3t-fetched" / "json_2.1.2_tw-pddl.zip").touch()
    with pytest.raises(BadDataError, match=r"holds the games of edition 2\.1\.2, which those of 2\.1\.1 would replace"):
        fetch(tmp_path, edition="2.1.1")


# Importing


def test_games_come_from_a_zip_a_tar_a_folder_of_archives_or_a_folder_of_games(small_data, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "games.zip").write_bytes(zipped(small_data))
    tarred(small_data, tmp_path / "games.tar.xz")
    sources = {
        "zip": tmp_path / "one" / "games.zip",
        "tar": tmp_path / "games.tar.xz",
        "archives": tmp_path / "one",
        "games": small_data,
        "inner": small_data / "json_2.1.1",
    }
    for name, source in sources.items():
        got = import_data(source, tmp_path / "data" / name)
        assert count(got) == {"train": 2, "valid_seen": 2}, name
    assert count(import_data(small_data / "json_2.1.1" / "train", tmp_path / "data" / "split")) == {"train": 2}


def test_what_was_imported_says_a_line_that_a_shell_takes_anywhere(small_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = import_data(small_data, "my data; here")
    *_, last = str(got).splitlines()
    assert last == f"export ALFWORLD_DATA='{tmp_path}/my data; here'"


def test_splits_in_archives_of_their_own_come_together(small_data, tmp_path):
    for split in GAMES:
        shutil.copytree(small_data / "json_2.1.1" / split, tmp_path / split / "json_2.1.1" / split)
        (tmp_path / "archives").mkdir(exist_ok=True)
        tarred(tmp_path / split, tmp_path / "archives" / f"{split}.tar.xz")
    assert count(import_data(tmp_path / "archives", tmp_path / "data")) == {"train": 2, "valid_seen": 2}


def test_two_archives_with_the_same_games_are_not_mixed(small_data, tmp_path):
    """As the two generations of text would be: same places, other words."""
    (tmp_path / "archives").mkdir()
    for name in ("a.zip", "b.zip"):
        (tmp_path / "archives" / name).write_bytes(zipped(small_data))
    with pytest.raises(BadDataError, match=r"a\.zip and b\.zip both hold json_2\.1\.1/.*\n.*one at a time"):
        import_data(tmp_path / "archives", tmp_path / "data")


@pytest.mark.parametrize(
    "name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "C:/out.txt", "..\\out.txt", "json_2.1.1/../../x"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name):
    with pytest.raises(BadDataError, match="leads out of the folder"):
        target_of(name)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        (f"json_2.1.1/train/{APPLE}/traj_data.json", f"json_2.1.1/train/{APPLE}/traj_data.json"),
        (f"./data/json_2.1.1/train/{APPLE}/y", f"json_2.1.1/train/{APPLE}/y"),
        ("json_2.1.1/train/x/y", None),
        ("json_2.1.1/.bashrc", None),
        ("json_2.1.1/train", None),
        (f"json_2.1.1/train/{APPLE}/below/y", None),
        (f"elsewhere/train/{APPLE}/game.tw-pddl", f"json_2.1.1/train/{APPLE}/game.tw-pddl"),
        ("json_2.1.1", None),
        ("README.md", None),
        ("", None),
    ],
)
def test_a_file_belongs_where_its_name_says(name, target):
    assert target_of(name) == (target if target is None else type(target_of(name))(target))


def test_an_unsafe_archive_leaves_the_folder_as_it_was(small_data, tmp_path):
    path = tmp_path / "bad.zip"
    path.write_bytes(zipped(small_data))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../evil.txt", "evil")
    with pytest.raises(BadDataError, match=r"bad\.zip.*evil\.txt.*not safe"):
        unpack(path, tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    assert not (tmp_path / "evil.txt").exists()


def test_links_are_refused_in_zip_and_tar(tmp_path):
    info = zipfile.ZipInfo(f"json_2.1.1/train/{APPLE}/link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        member = tarfile.TarInfo(f"json_2.1.1/train/{APPLE}/link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    for name in ("link.zip", "link.tar"):
        with pytest.raises(BadDataError, match="not a plain file"):
            unpack(tmp_path / name, tmp_path / "data")


def test_an_archive_plants_nothing_but_games(small_data, tmp_path):
    path = tmp_path / "more.zip"
    path.write_bytes(zipped(small_data))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("json_2.1.1/.bashrc", "evil")
        archive.writestr("json_2.1.1/valid_unseen", "a file where a split belongs")
    import_data(path, tmp_path / "data")
    assert {entry.name for entry in (tmp_path / "data" / "json_2.1.1").iterdir()} == {"train", "valid_seen"}


def test_a_compression_that_nobody_here_knows_is_refused_by_name(small_data, tmp_path):
    path = tmp_path / "strange.zip"
    whole = zipped(small_data)
    # The method of compression in the directory of the archive: deflate, then a number that stands for nothing.
    at = whole.rindex(b"PK\x01\x02")
    path.write_bytes(whole[: at + 10] + b"\x63\x00" + whole[at + 12 :])
    with pytest.raises(BadDataError, match=r"strange\.zip: 'json_2.1.1/.* cannot be read: That compression method"):
        unpack(path, tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_name_longer_than_any_disk_takes_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "long.zip", "w") as archive:
        archive.writestr(f"json_2.1.1/train/{APPLE}/{'a' * 300}", "")
    with pytest.raises(BadDataError, match=r"long\.zip has a file 'a+' that cannot be written: File name too long"):
        unpack(tmp_path / "long.zip", tmp_path / "data")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_said_and_leaves_nothing(small_data, tmp_path, monkeypatch, number):
    def full(*_):
        raise OSError(number, os.strerror(number))

    (tmp_path / "games.zip").write_bytes(zipped(small_data))
    monkeypatch.setattr("a3t.envs.alfworld.unpack.shutil.copyfileobj", full)
    with pytest.raises(DiskFullError, match=r"for games\.zip; nothing of it was unpacked"):
        unpack(tmp_path / "games.zip", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("name", ["cut.zip", "cut.tar.xz", "empty.zip", "empty.tar.xz", "noise.zip", "noise.tar.xz"])
def test_a_damaged_archive_is_refused_by_name(small_data, tmp_path, name):
    kind, _, suffix = name.partition(".")
    whole = zipped(small_data) if suffix == "zip" else tarred(small_data, tmp_path / "whole.tar.xz").read_bytes()
    path = tmp_path / name
    path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "noise": CONTENT}[kind])
    with pytest.raises(BadDataError, match=name.replace(".", r"\.")):
        import_data(path, tmp_path / "data")
    assert not list((tmp_path / "data").iterdir())


def test_a_flipped_byte_is_noticed(small_data, tmp_path):
    whole = bytearray(zipped(small_data))
    whole[len(whole) // 3] ^= 0xFF
    (tmp_path / "flipped.zip").write_bytes(whole)
    with pytest.raises(BadDataError, match=r"flipped\.zip is damaged"):
        unpack(tmp_path / "flipped.zip", tmp_path / "data")


def test_what_holds_no_games_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("README.md", "nothing here")
    (tmp_path / "folder").mkdir()
    for name in ("other.zip", "folder"):
        with pytest.raises(BadDataError, match="holds no ALFWorld games"):
            import_data(tmp_path / name, tmp_path / "data")
    with pytest.raises(MissingDataError, match="nowhere"):
        import_data(tmp_path / "nowhere", tmp_path / "data")
    (tmp_path / "games.rar").write_bytes(b"Rar!")
    with pytest.raises(BadDataError, match=r"cannot tell what .*games\.rar is"):
        import_data(tmp_path / "games.rar", tmp_path / "data")


def test_a_folder_is_not_imported_into_itself(tmp_path):
    write_folder(tmp_path / "data")
    with pytest.raises(BadDataError, match="into itself"):
        import_data(tmp_path / "data", tmp_path / "data")
