"""The endpoint: validate, lock, price, write."""

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.benchmarks.idiomatic.models import (
    Account,
    Event,
    LedgerEntry,
    Price,
    UsageTotal,
)


class NotEnoughCredit(APIException):
    """The customer cannot pay."""

    status_code = 402


class EventSerializer(serializers.Serializer):
    """An event as it is sent."""

    id = serializers.CharField(max_length=200)
    type = serializers.CharField(max_length=200)
    customer = serializers.CharField(max_length=200)
    timestamp = serializers.DateTimeField(default=timezone.now)
    properties = serializers.DictField()


class EventView(APIView):
    """Takes one event, or {"events": [...]}, each recorded on its own."""

    def post(self, request: Request) -> Response:
        """Record what was sent."""
        sent: Any = request.data
        is_batch = "events" in sent
        serializer = EventSerializer(data=sent["events"] if is_batch else sent, many=is_batch)
        serializer.is_valid(raise_exception=True)
        if not is_batch:
            return Response(record(serializer.validated_data), status=201)
        # One commit for all of them: the kindest to itself that the loop can be.
        with transaction.atomic():
            recorded = [record(event) for event in serializer.validated_data]
        return Response({"events": recorded})


@transaction.atomic
def record(sent: dict[str, Any]) -> dict[str, str]:
    """Record an event once, and take what it costs from its account."""
    account = get_object_or_404(Account.objects.select_for_update(), customer=sent["customer"])
    known = Event.objects.filter(external_id=sent["id"]).first()
    if known is not None:
        return {"id": known.external_id, "amount": str(known.amount)}
    used = sent["properties"]
    price = get_object_or_404(Price, model=used["model"], speed=used["speed"])
    quantity = Decimal(used["tokens"])
    amount = quantity / 1000 * price.unit_amount
    if account.balance < amount:
        raise NotEnoughCredit
    event = Event.objects.create(
        account=account,
        external_id=sent["id"],
        type=sent["type"],
        occurred_at=sent["timestamp"],
        properties=used,
        quantity=quantity,
        amount=amount,
    )
    account.balance -= amount
    account.save(update_fields=["balance"])
    LedgerEntry.objects.create(
        account=account, event=event, amount=-amount, balance_after=account.balance
    )
    total, _ = UsageTotal.objects.get_or_create(account=account, price=price)
    UsageTotal.objects.filter(pk=total.pk).update(
        quantity=F("quantity") + quantity, amount=F("amount") + amount
    )
    return {
        "id": event.external_id,
        "amount": str(amount),
        "balance": str(account.balance),
    }
