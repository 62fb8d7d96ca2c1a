"""The demo's home: the only folder that the demo ever empties."""

import os

import pytest

from hub.demo.home import MARKER, claimed, own_settings
from hub.errors import Busy, UsageError
from hub.settings import load


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not a demo's home"), claimed(tmp_path):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_a_home_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="not a folder"), claimed(tmp_path / "file"):
        pass


def test_an_empty_folder_and_a_missing_one_become_homes(tmp_path):
    for path in (tmp_path / "missing" / "below", tmp_path / "empty"):
        path.parent.mkdir(exist_ok=True)
        with claimed(path) as home:
            assert home.path == path
        assert (path / MARKER).exists()


def test_an_earlier_demo_is_removed_and_nothing_beyond_it(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "photo").write_text("me")
    with claimed(tmp_path / "home") as home:
        (home.path / "lake").mkdir()
        (home.path / "lake" / "old.parquet").write_text("")
        (home.path / "link").symlink_to(tmp_path / "precious")
        home.finish({"events": 1})
        assert home.finished
    with claimed(tmp_path / "home") as home:
        home.empty()
        assert [each.name for each in home.path.iterdir()] == [MARKER]
        assert not home.finished
    assert (tmp_path / "precious" / "photo").read_text() == "me"


def test_two_demos_do_not_share_a_home(tmp_path):
    with claimed(tmp_path / "home"), pytest.raises(Busy, match="Another demo"), claimed(tmp_path / "home"):
        pass
    with claimed(tmp_path / "home"):
        pass


def test_the_users_own_database_and_lake_are_out_of_reach(tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("HUB_LAKE", "/srv/lake")
    monkeypatch.setenv("HUB_PROJECT", "real")
    monkeypatch.delenv("HUB_HOME", raising=False)
    with claimed(tmp_path / "home") as home, own_settings(home):
        settings = load(home.path)
        assert settings.control_plane_url == f"sqlite:///{home.path / 'hub.db'}"
        assert settings.lake_root == home.path / "lake"
        assert settings.project == ""
    assert os.environ["HUB_DATABASE_URL"] == "postgresql://production"
    assert "HUB_HOME" not in os.environ
