import json
import sys

import pytest

from split_deploy.bench.report import write as module
from split_deploy.bench.report.__main__ import main
from split_deploy.bench.report.write import ReportError, read, write


@pytest.fixture
def report(small):
    return small


def test_the_files_of_a_report(report, tmp_path):
    written = write(report, tmp_path / "new" / "folder")
    names = {str(path.relative_to(tmp_path / "new" / "folder")) for path in written}
    assert {"report.json", "report.html", "charts/throughput-light.svg"} < names
    assert all(path.is_file() for path in written)
    # Nothing else is left there.
    assert {path for path in (tmp_path / "new").rglob("*") if path.is_file()} == set(written)


def test_what_is_written_can_be_read(report, tmp_path):
    write(report, tmp_path)
    assert read(tmp_path) == read(tmp_path / "report.json") == report


def test_floats_have_five_digits_and_what_is_no_number_is_null(nothing, tmp_path):
    nothing |= {"seconds": 123.456789, "parameters": nothing["parameters"] | {"inf": float("inf")}}
    write(nothing, tmp_path)
    found = read(tmp_path)
    assert found["seconds"] == 123.46
    assert found["parameters"]["inf"] is None


def test_others_may_read_the_files(nothing, tmp_path):
    path, *_ = write(nothing, tmp_path)
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_charts_of_an_earlier_report_go(report, tmp_path):
    write(report, tmp_path)
    (tmp_path / "charts" / "notes.txt").touch()
    report["curves"] = []
    write(report, tmp_path)
    assert not list((tmp_path / "charts").glob("growth-*"))
    assert (tmp_path / "charts" / "throughput-light.svg").exists()
    assert (tmp_path / "charts" / "notes.txt").exists()


def test_a_write_that_fails_leaves_what_was_there(report, tmp_path, monkeypatch):
    write(report, tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Path, "replace", fail)
    with pytest.raises(ReportError, match=rf"{tmp_path}: .*No space left"):
        write(report | {"title": "Another"}, tmp_path)
    after = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_a_folder_that_is_a_file_is_named(nothing, tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(ReportError, match=r"can't be written to .*taken"):
        write(nothing, tmp_path / "taken")


def test_without_matplotlib_the_figures_are_kept(report, tmp_path, monkeypatch):
    for name in ("charts", "html"):
        monkeypatch.delitem(sys.modules, f"split_deploy.bench.report.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ReportError, match=r"matplotlib is not installed.*pip install"):
        write(report, tmp_path)
    assert read(tmp_path) == report
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "can't be read: No such file"),
        ("{", "is no JSON"),
        ("[]", "has None for schema"),
        ('{"schema": 99}', "has 99 for schema, and this version reads 2"),
    ],
)
def test_what_is_no_report_is_refused(text, message, tmp_path):
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ReportError, match=rf"{path} {message}"):
        read(path)


def test_a_report_is_made_again_from_its_json(report, tmp_path, capsys):
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "report.html").exists()
    assert str(tmp_path / "report.html") in capsys.readouterr().out


def test_a_part_of_a_report_goes_into_another_folder(report, tmp_path, capsys):
    write(report, tmp_path)
    assert main([str(tmp_path), "--only", "json-async"]) == 2
    assert "name another folder with --output" in capsys.readouterr().err

    assert main([str(tmp_path), "--only", "json-async", "--output", str(tmp_path / "part")]) == 0
    part = read(tmp_path / "part")
    assert [each["name"] for each in part["workloads"]] == ["json-async"]
    assert part["curves"] == []
    assert read(tmp_path) == report


def test_a_part_that_is_not_there_is_named(report, tmp_path, capsys):
    write(report, tmp_path)
    assert main([str(tmp_path), "--only", "jsn", "--output", str(tmp_path / "part")]) == 2
    assert "--only 'jsn': there is none. Known: json-async, " in capsys.readouterr().err
