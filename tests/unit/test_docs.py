"""The docs cannot fall behind: settings, mapping tables, generated parts, links, commands, lock files."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config.documentation import BEGIN, DOCS, END, PAGES, PageBroken, main, render
from config.settings import every_variable
from domain.mapping import CompanyRule, Mapping, TaxRule
from domain.return_rules import ReturnRules

ROOT = Path(__file__).parents[2]
PAGES_BY_HAND = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LOCKS = sorted([*ROOT.glob("*.lock"), *(ROOT / "sandbox").rglob("*.lock")])


def as_in_example(variable: str) -> str:
    return variable.replace("USERS__<NAME>", "USERS__ANNA").replace("<NAME>", "SHOP")


@pytest.mark.parametrize("variable", [name for name, _ in every_variable()])
def test_each_setting_is_documented(variable):
    assert f"`{variable}`" in (DOCS / "settings.md").read_text()


@pytest.mark.parametrize("variable", [name for name, _ in every_variable()])
def test_each_setting_is_in_the_example(variable):
    assert f"{as_in_example(variable)}=" in (ROOT / ".env.example").read_text()


def test_the_example_holds_no_unknown_setting():
    named = set(
        re.findall(r"^#? ?(ORDERWRIGHT_\w+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    )
    assert named == {as_in_example(name) for name, _ in every_variable()}


@pytest.mark.parametrize(
    "field", [field for model in (Mapping, TaxRule, CompanyRule, ReturnRules) for field in model.model_fields]
)
def test_each_mapping_table_and_key_is_explained(field):
    by_hand = (DOCS / "field-mapping.md").read_text().split(BEGIN)[0]
    assert any(f"`{form}`" in by_hand for form in (field, f"[{field}]", f"[[{field}]]"))


@pytest.mark.parametrize("page", PAGES)
def test_generated_parts_are_current(page):
    text, wanted = render(page)
    assert text == wanted, "run 'make docs'"


def test_a_stale_page_is_found_and_mended(tmp_path, capsys):
    for page in PAGES:
        (tmp_path / page).write_text(f"by hand\n\n{BEGIN}\nstale\n{END}\n\nafter\n")
    assert main(["--check"], tmp_path) == 1
    assert "settings.md" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    settings = (tmp_path / "settings.md").read_text()
    assert settings.startswith("by hand\n")
    assert settings.endswith("after\n")
    assert "`ORDERWRIGHT_WEB__PORT` | `8080`" in settings
    assert "| `101` | `WH-EAST` |" in (tmp_path / "field-mapping.md").read_text()


def test_a_page_without_its_markers_is_named(tmp_path):
    (tmp_path / "settings.md").write_text("no markers")
    with pytest.raises(PageBroken, match=r"docs/settings\.md"):
        render("settings.md", tmp_path)


@pytest.mark.parametrize("page", PAGES_BY_HAND, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES_BY_HAND, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets


@pytest.mark.parametrize("page", PAGES_BY_HAND, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page):
    named = re.findall(
        r"`((?:adapters|domain|config|workflows|activities|store|web|workers)/[\w./-]+\.\w+)`",
        page.read_text(),
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_decisions_are_listed():
    pages = {path.name for path in (DOCS / "decisions").glob("0*.md")}
    assert pages
    assert set(re.findall(r"\((0[\w-]+\.md)\)", (DOCS / "decisions" / "README.md").read_text())) == pages


def test_canceled_has_one_l():
    for page in PAGES_BY_HAND:
        text = re.sub(r"`[^`]*`", "", page.read_text())
        assert "cancelled" not in text.lower(), page.name


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_lock_files_hold_no_address_and_hash_everything(lock):
    text = lock.read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|^-i ", text, flags=re.MULTILINE)
    packages = re.findall(r"^[A-Za-z0-9][^\n]*==[^\n]*\n(?=(.*))", text, flags=re.MULTILINE)
    assert packages
    assert all(following.strip().startswith("--hash=sha256:") for following in packages)


@pytest.mark.parametrize(("lock", "extra"), [("requirements.lock", None), ("requirements-dev.lock", "dev")])
def test_lock_files_fit_the_project_file(lock, extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else [])]
    locked = dict(
        re.findall(
            r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", (ROOT / lock).read_text(), flags=re.MULTILINE
        )
    )
    locked = {canonicalize_name(name): version for name, version in locked.items()}
    for requirement in map(Requirement, wanted):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in {lock}; run 'make lock'"
        assert requirement.specifier.contains(version), (
            f"{requirement} is locked at {version}; run 'make lock'"
        )
