"""Invitations: the mail that tells people where they may sign in, and lets new ones begin.

Only that mail carries the link to choose a first password, so an account belongs to whoever reads
the mail of its address, not to whoever typed it into a form.
"""

import functools
import logging

from django.contrib import messages
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import User

logger = logging.getLogger(__name__)


def invite(request: HttpRequest, *, person: User, to: str) -> None:
    """Mail `person` that they now have access to `to`, once the transaction is committed."""
    transaction.on_commit(functools.partial(_send, request, person=person, to=to))


def _send(request: HttpRequest, *, person: User, to: str) -> None:
    path = reverse("login") if person.has_usable_password() else _first_password_path(person)
    context = {
        "person": person,
        "to": to,
        "address": request.build_absolute_uri(path),
        "is_new": not person.has_usable_password(),
    }
    body = render_to_string("admin/invitation.txt", context)
    # A name with a line break in it must not add headers to the mail.
    subject = " ".join(f"You have access to {to}".split())
    try:
        send_mail(subject, body, None, [person.email])
    except OSError:
        logger.exception("an invitation could not be mailed")
        messages.warning(request, f"{person} has access, but the mail could not be sent.")
    else:
        messages.info(request, f"{person} was told by mail.")


def _first_password_path(person: User) -> str:
    return reverse(
        "admin:accept_invitation",
        kwargs={
            "uidb64": urlsafe_base64_encode(force_bytes(person.pk)),
            "token": default_token_generator.make_token(person),
        },
    )
