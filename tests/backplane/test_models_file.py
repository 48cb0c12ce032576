from __future__ import annotations

import pytest

from podium.backplane.models_file import ModelsFile
from podium.errors import DocumentRefused


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> ModelsFile:
        file = tmp_path / "models.yaml"
        file.write_text(text)
        return ModelsFile.read(file)

    return read


def test_reads_all_keys(read, tmp_path):
    (tmp_path / "pv").mkdir()
    file = read(
        "models:\n"
        "- {image: 'pv:1', command: [python, -m, pv], env: {A: b, N: 3, F: 1.5}, cwd: pv, limits: {memory_mb: 100}}\n"
        "- {image: 'load:1', command: [python, -m, load, 7]}\n"
    )
    pv = file.find("pv:1")
    assert pv.command == ("python", "-m", "pv")
    assert pv.env == {"A": "b", "N": "3", "F": "1.5"}
    assert pv.cwd == tmp_path / "pv"
    assert pv.limits.memory_mb == 100
    assert file.find("load:1").command[-1] == "7"
    assert file.find("load:1").cwd is None


def test_an_unknown_image_is_told_with_those_known(read):
    file = read("models: [{image: 'pv:1', command: [pv]}]")
    with pytest.raises(DocumentRefused, match=r"'pv:2'.*models file \(it has: pv:1\)"):
        file.find("pv:2")
    with pytest.raises(DocumentRefused, match=r"'pv:2'\. Start Podium with `--models FILE`"):
        ModelsFile().find("pv:2")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: [", "not YAML"),
        ("[]", "the file: must be a mapping"),
        ("", "the file: must be a mapping"),
        ("modells: []", "modells: there is no such key"),
        ("models: [{image: 'a:1', command: []}]", r"models\[0\] \(a:1\).command: must have at least 1 entries"),
        ("models: [{image: 'a:1', command: [x]}, {command: [x]}]", r"models\[1\].image: is missing"),
        ("models: [{image: 'a:1', command: python}]", r"models\[0\] \(a:1\).command: must be a list"),
        (
            "models: [{image: 'a:1', command: [x], env: {K: [1]}}]",
            r"models\[0\] \(a:1\).env.K: must be text",
        ),
        (
            "models: [{image: 'a:1', command: [x], env: {K: yes}}]",
            r"models\[0\] \(a:1\).env.K: must be text",
        ),
        (
            "models: [{image: 'a:1', command: [x], cwd: nowhere}]",
            r"models\[0\] \(a:1\).cwd: there is no directory .*nowhere",
        ),
        (
            "models: [{image: 'a:1', command: [x], limits: {memory_mb: 0}}]",
            r"\(a:1\).limits.memory_mb: must be greater than 0",
        ),
        (
            "models: [{image: 'a:1', command: [x]}, {image: 'a:1', command: [y]}]",
            r"models\[1\] \(a:1\).image: an earlier entry",
        ),
        ("models: [3]", r"models\[0\]: must be a mapping"),
        ("models: !!python/object/apply:os.system [id]", "not YAML"),
        ("models:\n\t- image: a", "not YAML: line 2, column 1: found character"),
        ("models: []\nmodels: [{image: 'a:1', command: [x]}]", "line 2, column 1: the key 'models' is given twice"),
        ("[" * 5000, "nested too deeply"),
        ("models: \0", "a character that YAML forbids, no. 9"),
        ("models: !!timestamp 2026-02-30", "not YAML: day is out of range"),
        ("models: &m [*m]", r"models\[0\]: must be a mapping"),
    ],
)
def test_names_file_entry_and_key(read, tmp_path, text, told):
    with pytest.raises(DocumentRefused, match=told) as error:
        read(text)
    assert error.value.where == str(tmp_path / "models.yaml")


def test_a_file_that_is_not_utf8_says_where(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_bytes("models: []  # \N{BULLET}".encode("cp1252"))
    with pytest.raises(DocumentRefused, match="not UTF-8 at byte 15"):
        ModelsFile.read(file)


def test_keys_merged_over_and_over_are_refused(read):
    levels = [f"l{n}: &l{n}\n  <<: [{', '.join([f'*l{n - 1}'] * 10)}]\n  k{n}: 1\n" for n in range(1, 10)]
    with pytest.raises(DocumentRefused, match="too many keys"):
        read("l0: &l0 {a: 1, b: 2}\n" + "".join(levels))


def test_several_faults_are_told_one_by_one(read):
    with pytest.raises(DocumentRefused) as error:
        read("models: [{image: 'a:1'}, {image: 'b:1', command: [x], cmd: y}]")
    assert error.value.problem == "there are 2 faults"
    assert [(fault.where, fault.what) for fault in error.value.faults] == [
        ("models[0] (a:1).command", "is missing"),
        ("models[1] (b:1).cmd", "there is no such key"),
    ]


def test_a_refusal_does_not_show_what_env_holds(read):
    with pytest.raises(DocumentRefused) as error:
        read("models: [{image: 'a:1', command: [x], env: {PASSWORD: [canary]}}]")
    assert "canary" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DocumentRefused, match="No such file"):
        ModelsFile.read(tmp_path / "models.yaml")
