"""`--settings`: every setting with its type, its default and its meaning; the README has the same."""

import pytest
from write_settings import README, with_table

from sca_hf import run
from sca_hf.console.settings import WIDTH, settings
from sca_hf.recipe import complete_recipe, load_recipe, recipe_names


def test_the_readmes_table_is_that_of_the_code() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, "run: python scripts/write_settings.py"


def test_every_setting_of_every_recipe_is_listed_and_has_a_meaning() -> None:
    listed = {each.key: each for each in settings(complete_recipe())}
    for name in recipe_names():
        recipe = load_recipe(name)
        for section in recipe.chain:
            assert {f"{section.name}.{key}" for key in type(recipe[section.name]).model_fields} <= listed.keys()
    assert [each.key for each in listed.values() if not (each.meaning and each.kind and each.default)] == []
    own = {each.meaning for each in listed.values() if each.kind.startswith("section")}
    assert [each.key for each in listed.values() if not each.kind.startswith("section") and each.meaning in own] == []
    until = listed["responses.until"]
    assert (until.kind, until.default) == ("integer 1 to 10000 or all", "all")
    assert listed["engine.batch_invariant"].kind == "auto or true or false", "as YAML writes them"
    assert until.meaning.startswith("stop at this many passes")
    assert listed["run.jails"].default == "usable cores", "not those of the machine that wrote the table"
    assert "cut-off" not in listed["concepts.max_tokens"].meaning, "the definition of another setting"


def test_the_command_lists_a_section_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--settings", "select"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "select.decontaminate.ngram: integer 4 to 100 or null; default null" in lines
    assert not any(line.startswith("seeds") for line in lines)
    assert run.main(["--settings", "selekt"]) == 2
    assert "give one of engine, run, seeds" in " ".join(capsys.readouterr().err.split())


def test_without_a_recipe_the_command_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main([])
    assert ended.value.code == 2
    assert "--recipe NAME is needed" in capsys.readouterr().err
