"""What the watcher of ``split-deploy run --reload`` takes for a change."""

import os

from split_deploy.run.reload import has_changed, snapshot


def test_a_file_with_another_time_and_one_that_is_gone_are_changes(tmp_path):
    edited, deleted = tmp_path / "edited.py", tmp_path / "deleted.py"
    edited.touch()
    deleted.touch()
    loaded = {str(edited), str(deleted)}
    seen = snapshot(loaded)
    assert not has_changed(seen, snapshot(loaded), loaded)

    os.utime(edited, ns=(1, 1))
    assert has_changed(seen, snapshot(loaded), loaded)

    seen = snapshot(loaded)
    deleted.unlink()
    assert has_changed(seen, snapshot(loaded), loaded)


def test_a_file_that_is_loaded_for_the_first_time_is_none(tmp_path):
    path = tmp_path / "new.py"
    path.touch()
    assert not has_changed({}, snapshot({str(path)}), {str(path)})


def test_a_file_that_turned_out_to_be_the_other_instance_s_is_none(tmp_path):
    # Seen while reverse() was importing the other URLconf, and foreign once that was done.
    path = tmp_path / "async_views.py"
    path.touch()
    assert not has_changed(snapshot({str(path)}), {}, set())
