"""`manage.py create_plan_from_template`: a draft of a plan, or a plan on sale, from a template."""

import datetime as dt
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Organization
from pricing import plan_import, publication, templates_catalog
from pricing.models import PlanVersion
from pricing.plan_form import PlanInvalid
from pricing.templates_catalog import Template


class Command(BaseCommand):
    """Says what it made, or everything that is in the way."""

    help = "Create a draft of a plan from a template, and put it on sale with --publish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take an organization and a template, or ask for the list."""
        parser.add_argument("--list", action="store_true", help="show the templates")
        parser.add_argument("--organization", metavar="SLUG", help="whose plan it becomes")
        parser.add_argument("--template", metavar="ID", help="one of those that --list shows")
        parser.add_argument("--publish", action="store_true", help="put the plan on sale")

    def handle(self, *args: Any, **options: Any) -> None:
        """List the templates, or create a plan."""
        if options["list"]:
            self._list()
            return
        if not options["organization"] or not options["template"]:
            raise CommandError("say --organization and --template, or --list")
        now = timezone.now()
        draft = _create(
            _organization(options["organization"]), _template(options["template"]), at=now
        )
        if options["publish"]:
            _publish(draft, at=now)
        state = "is on sale" if options["publish"] else "is a draft"
        self.stdout.write(self.style.SUCCESS(f"{draft} ({draft.plan.code}) {state}."))

    def _list(self) -> None:
        for template in templates_catalog.all_templates():
            source = f"{template.source.publisher}, as of {template.as_of}"
            self.stdout.write(f"{template.id}: {template.title} ({source})")
            self.stdout.write(f"    {template.summary}")


def _organization(slug: str) -> Organization:
    try:
        return Organization.objects.get(slug=slug)
    except Organization.DoesNotExist:
        raise CommandError(f"there is no organization {slug}") from None


def _template(template_id: str) -> Template:
    try:
        return templates_catalog.find(template_id)
    except templates_catalog.TemplateUnknown as unknown:
        raise CommandError(f"{unknown}; --list shows them") from None


def _create(organization: Organization, template: Template, *, at: dt.datetime) -> PlanVersion:
    try:
        return plan_import.import_plan(organization=organization, document=template.plan, at=at)
    except PlanInvalid as invalid:
        raise CommandError(_sentences("the template does not fit", invalid.errors)) from None
    except plan_import.DraftExists as exists:
        raise CommandError(
            f"plan {exists} has a draft already: publish it or throw it away first"
        ) from None


def _publish(draft: PlanVersion, *, at: dt.datetime) -> None:
    try:
        publication.publish(version=draft, by=None, at=at)
    except publication.PublicationRefused as refusal:
        message = f"{draft} stays a draft and cannot be published"
        raise CommandError(_sentences(message, refusal.problems)) from None


def _sentences(message: str, problems: Iterable[tuple[str, str]]) -> str:
    return "\n".join([f"{message}:", *(f"  {field}: {reason}" for field, reason in problems)])
