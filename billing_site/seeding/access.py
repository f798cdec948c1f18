"""Who may look at the demo: people with a password, and a key for the integrator."""

import datetime as dt
import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import make_password

from accounts import api_keys
from accounts.models import (
    ApiKey,
    Customer,
    Membership,
    Organization,
    PortalMembership,
    Role,
    Scope,
    User,
)

KEY_NAME = "Demo"
STAFF_EMAIL = "staff@drawdown.example"


def open_doors(organization: Organization, portal: Customer, *, at: dt.datetime) -> dict[str, Any]:
    """Give each role a person with a new password, issue a new key, and return the facts.

    An older key of the demo is revoked: its secret is nowhere to be had any more.
    """
    password = secrets.token_urlsafe(9)
    password_hash = make_password(password)  # Slow by design, so once for all five.
    people = _people(organization, portal)
    for role, email, _ in people:
        _let_in(organization, portal, role=role, email=email, password_hash=password_hash)
    for old in ApiKey.objects.filter(organization=organization, name=KEY_NAME):
        api_keys.revoke(old, at=at)
    _, secret = api_keys.issue(organization=organization, name=KEY_NAME, scopes=[Scope.ADMIN])
    return {
        "api_key": secret,
        "logins": [
            {"role": role, "email": email, "password": password, "url_path": path}
            for role, email, path in people
        ],
        "urls": [
            {"label": "Customer's page", "path": f"/customers/{portal.id}/"},
            {"label": "Operator's page", "path": f"/o/{organization.slug}/customers/"},
            {"label": "Admin", "path": "/admin/"},
            {"label": "API docs", "path": "/api/docs/"},
        ],
        "curl": {
            "path": "/api/v1/events",
            "body": {
                "type": "completion",
                "customer": portal.external_id,
                "properties": {
                    "model": "lumen-large",
                    "input_tokens": 120000,
                    "output_tokens": 16000,
                },
            },
        },
    }


def _people(organization: Organization, portal: Customer) -> list[tuple[str, str, str]]:
    domain = f"{organization.slug}.example"
    return [
        ("customer", portal.email, f"/customers/{portal.id}/"),
        (Role.OWNER, f"owner@{domain}", f"/o/{organization.slug}/customers/"),
        (Role.ADMIN, f"admin@{domain}", "/admin/"),
        (Role.ANALYST, f"analyst@{domain}", f"/o/{organization.slug}/customers/"),
        ("platform staff", STAFF_EMAIL, "/admin/"),
    ]


def _let_in(
    organization: Organization, portal: Customer, *, role: str, email: str, password_hash: str
) -> None:
    user = User.objects.filter(email=email).first() or User(email=email)
    user.is_superuser = email == STAFF_EMAIL
    user.password = password_hash
    user.save()
    if role in Role:
        Membership.objects.update_or_create(
            organization=organization, user=user, defaults={"role": role}
        )
    elif role == "customer":
        PortalMembership.objects.get_or_create(
            organization=organization, customer=portal, user=user
        )


def keep(facts: dict[str, Any], path: Path) -> None:
    """Write the facts where only this user can read them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=2)
    draft.replace(path)
