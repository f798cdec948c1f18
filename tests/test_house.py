"""The house rules, as a test: what a reviewer would otherwise have to say again and again."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "pricing", "metering", "invoicing", "billing_site")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
FORBIDDEN_NAMES = {"utils", "helpers", "services", "common", "misc", "managers"}

# What belongs to nobody's tenant: the tenant itself and people, who may work for several.
NOT_OF_A_TENANT = {"accounts.Organization", "accounts.User"}
# A slug, an address and a key find the tenant, so they are unique over all of them.
UNIQUE_OVER_ALL = {"Organization.slug", "User.email", "ApiKey.key_hash"}

# The storey of the domain, where calls must read aloud.
DOMAIN_MODULES = (
    "accounts/ledger/balances.py",
    "accounts/ledger/grants.py",
    "accounts/ledger/holds.py",
    "accounts/ledger/locks.py",
    "accounts/ledger/usage.py",
    "accounts/customers.py",
    "accounts/statements.py",
    "accounts/api_keys.py",
    "accounts/parked_customers.py",
    "accounts/proofs.py",
    "pricing/coupons.py",
    "pricing/overrides.py",
    "pricing/plan_import.py",
    "pricing/plans.py",
    "pricing/scheduled_changes.py",
    "metering/plan_changes.py",
    "pricing/publication.py",
    "pricing/subscriptions.py",
    "pricing/cost_rates.py",
    "pricing/vendor_prices.py",
    "metering/backtests.py",
    "metering/caps.py",
    "metering/event_lists.py",
    "metering/explanations.py",
    "metering/statements.py",
    "metering/ingestion.py",
    "metering/corrections.py",
    "metering/rerating.py",
    "metering/dead_letters.py",
    "metering/quoting.py",
    "metering/billing_periods.py",
    "metering/alerts.py",
    "metering/sweeping.py",
    "metering/margins.py",
    "invoicing/closing.py",
    "invoicing/numbering.py",
    "invoicing/credit_notes.py",
    "invoicing/drawing.py",
    "invoicing/fees.py",
    "invoicing/items.py",
    "invoicing/rebuilding.py",
    "invoicing/seats.py",
    "invoicing/upcoming.py",
    "invoicing/voiding.py",
)


class Source(NamedTuple):
    """A file of ours, read and parsed."""

    path: Path
    text: str
    tree: ast.Module

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))


def _sources(*folders: str) -> Iterator[Source]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                text = path.read_text(encoding="utf-8")
                yield Source(path, text, ast.parse(text))


PRODUCT = list(_sources(*APPS))
EVERYTHING = [*PRODUCT, *_sources("tests")]


def _functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_the_sources_were_found() -> None:
    assert {str(source).split("/")[0] for source in PRODUCT} == set(APPS)


def test_no_function_is_long() -> None:
    long = [
        f"{source}:{function.name} has {_length(function)} lines"
        for source in EVERYTHING
        for function in _functions(source)
        if _length(function) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_no_file_is_long() -> None:
    long = [
        f"{source} has {source.text.count(chr(10))} lines"
        for source in PRODUCT
        if source.text.count("\n") > FILE_LINES_MAX
    ]
    assert long == []


def _is_own(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return bool(node.level) or (node.module or "").split(".")[0] in APPS
    return isinstance(node, ast.Import) and any(
        alias.name.split(".")[0] in APPS for alias in node.names
    )


def test_no_import_of_ours_hides_in_a_function() -> None:
    hidden = [
        f"{source}:{node.lineno}"
        for source in PRODUCT
        for function in _functions(source)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom) and _is_own(node)
    ]
    assert hidden == []


def test_modules_are_named_for_what_they_know() -> None:
    assert [str(s) for s in EVERYTHING if s.path.stem in FORBIDDEN_NAMES] == []


def test_no_signal_and_no_save_override() -> None:
    found = [
        f"{source}:{function.name}"
        for source in PRODUCT
        if "models" in source.path.parts
        for function in _functions(source)
        if function.name in {"save", "delete"}
    ]
    found += [str(source) for source in PRODUCT if "django.db.models.signals" in source.text]
    assert found == []


def test_no_float_touches_money() -> None:
    found = [
        f"{source}:{node.lineno}"
        for source in PRODUCT
        if source.path.parent.name not in {"seeding", "processes"}
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
        in {"float", "FloatField"}
    ]
    assert found == []


@pytest.mark.parametrize("module", DOMAIN_MODULES)
def test_public_domain_functions_are_called_by_keyword(module: str) -> None:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    crowded = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and len(node.args.posonlyargs) + len(node.args.args) > 1
    ]
    assert crowded == []


def _our_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in APPS]


def test_every_row_belongs_to_an_organization() -> None:
    without = {
        model._meta.label
        for model in _our_models()
        if "organization" not in {field.name for field in model._meta.get_fields()}
    }
    assert without == NOT_OF_A_TENANT


def test_every_unique_constraint_starts_with_the_organization() -> None:
    crossing = [
        f"{model.__name__}.{constraint.name}"
        for model in _our_models()
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint)
        and constraint.fields[:1] != ("organization",)
    ]
    crossing += [
        f"{model.__name__}.{field.name}"
        for model in _our_models()
        for field in model._meta.local_fields
        if field.unique and not field.primary_key
    ]
    assert set(crossing) == UNIQUE_OVER_ALL
